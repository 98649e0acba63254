//! NVIDIA cards: the driver, its memory, streams and graphs, and matrix products by its library. Everything is
//! loaded when it is first asked for; what is missing is an error, and the program runs on without it.

mod clock;
mod context;
mod lt;
mod staging;

use std::cell::RefCell;
use std::ffi::{CString, c_uint};
use std::sync::Arc;

use cudarc::driver::{result, sys};

pub use self::context::CardInfo;
use self::context::{Context, call, ended};
use self::lt::Products;
use self::staging::Staging;
use super::backend::{Address, Arguments, KernelBackend, Product};
use super::cache::KernelCache;
use super::error::GpuError;
use super::kernel::Kernel;

/// Bytes of shared memory that every kernel may use without asking.
const USUAL_SHARED_BYTES: u32 = 48 << 10;

/// A card with one stream, on which everything happens in order.
pub struct CudaBackend {
    products: RefCell<Products>,
    staging: RefCell<Staging>,
    cache: KernelCache,
    stream: Stream,
    context: Arc<Context>,
}

/// A stream of the card.
struct Stream(sys::CUstream);

// SAFETY: a stream may be used by any thread, one at a time.
unsafe impl Send for Stream {}

/// Memory of the card.
pub struct CudaMemory {
    start: sys::CUdeviceptr,
    bytes: usize,
    context: Arc<Context>,
}

/// A kernel of a loaded module.
pub struct CudaFunction {
    function: sys::CUfunction,
    module: sys::CUmodule,
    kernel: Kernel,
    context: Arc<Context>,
}

// SAFETY: functions may be launched by any thread.
unsafe impl Send for CudaFunction {}

/// Recorded work.
pub struct CudaGraph {
    graph: sys::CUgraphExec,
    context: Arc<Context>,
}

// SAFETY: a graph may be launched by any thread, one at a time.
unsafe impl Send for CudaGraph {}

impl CudaBackend {
    /// Opens the card number `card`.
    ///
    /// # Errors
    /// [`GpuError::Missing`], [`GpuError::NoDevice`], [`GpuError::TooOld`], [`GpuError::Call`].
    pub fn open(card: usize, cache: KernelCache) -> Result<Self, GpuError> {
        let context = Context::open(card)?;
        let stream =
            Stream(call("a stream", result::stream::create(result::stream::StreamKind::NonBlocking))?);
        Ok(Self {
            products: RefCell::new(Products::new(&context, cache.clone())?),
            staging: RefCell::new(Staging::new(&context)?),
            cache,
            stream,
            context,
        })
    }

    /// What is known of the card.
    pub fn info(&self) -> &CardInfo {
        self.context.info()
    }

    fn check(memory: &CudaMemory, at: usize, count: usize) -> Result<(), GpuError> {
        let fits = at.checked_add(count).is_some_and(|end| end <= memory.bytes);
        let bytes = memory.bytes;
        fits.then_some(()).ok_or_else(|| GpuError::Unfit(format!("{count} bytes at {at} of {bytes}")))
    }
}

impl Drop for CudaBackend {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the stream is this backend's own, and nothing is given to it any more.
            ended(unsafe {
                result::stream::synchronize(self.stream.0).and(result::stream::destroy(self.stream.0))
            });
        }
    }
}

impl Drop for CudaMemory {
    fn drop(&mut self) {
        if self.context.bind().is_ok() && self.start != 0 {
            // SAFETY: the memory is this value's own; freeing waits for work that uses it.
            ended(unsafe { result::free_sync(self.start) });
        }
    }
}

impl Drop for CudaFunction {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the module is this value's own.
            ended(unsafe { result::module::unload(self.module) });
        }
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the graph is this value's own.
            ended(unsafe { result::graph::exec_destroy(self.graph) });
        }
    }
}

impl KernelBackend for CudaBackend {
    type Memory = CudaMemory;
    type Function = CudaFunction;
    type Graph = CudaGraph;

    fn processors(&self) -> usize {
        self.info().processors
    }

    fn load(&self, kernel: &Kernel) -> Result<CudaFunction, GpuError> {
        self.context.bind()?;
        let code = self.cache.machine_code(kernel, &self.info().architecture())?;
        // SAFETY: the code is a whole file of machine code, as the compiler wrote it.
        let module = call("a module", unsafe { result::module::load_data(code.as_ptr().cast()) })?;
        let name = CString::new(kernel.name).map_err(|error| GpuError::Unfit(error.to_string()))?;
        // SAFETY: the module was just loaded.
        let function = call("a kernel's function", unsafe { result::module::get_function(module, name) })?;
        let loaded = CudaFunction { function, module, kernel: kernel.clone(), context: self.context.clone() };
        if kernel.shared_bytes > USUAL_SHARED_BYTES {
            let most = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function was just loaded.
            let set = unsafe {
                result::function::set_function_attribute(loaded.function, most, kernel.shared_bytes as i32)
            };
            call("a kernel's shared memory", set)?;
        }
        Ok(loaded)
    }

    fn allocate(&self, bytes: usize) -> Result<CudaMemory, GpuError> {
        self.context.bind()?;
        if bytes == 0 {
            return Ok(CudaMemory { start: 0, bytes, context: self.context.clone() });
        }
        // SAFETY: the memory is set to zero before anybody reads it.
        let start = call("memory", unsafe { result::malloc_sync(bytes) })?;
        let memory = CudaMemory { start, bytes, context: self.context.clone() };
        // SAFETY: the memory has these bytes.
        call("clearing memory", unsafe { result::memset_d8_async(start, 0, bytes, self.stream.0) })?;
        Ok(memory)
    }

    fn address(&self, memory: &CudaMemory) -> Address {
        Address(memory.start)
    }

    fn write(&self, memory: &CudaMemory, at: usize, bytes: &[u8]) -> Result<(), GpuError> {
        Self::check(memory, at, bytes.len())?;
        self.context.bind()?;
        self.staging.borrow_mut().write(memory.start + at as u64, bytes, self.stream.0)
    }

    fn read(&self, memory: &CudaMemory, at: usize, bytes: &mut [u8]) -> Result<(), GpuError> {
        Self::check(memory, at, bytes.len())?;
        self.context.bind()?;
        self.staging.borrow_mut().read(memory.start + at as u64, bytes, self.stream.0)
    }

    unsafe fn launch(
        &self,
        function: &CudaFunction,
        grid: [usize; 3],
        arguments: &mut Arguments,
    ) -> Result<(), GpuError> {
        self.context.bind()?;
        let [x, y, z] = grid.map(|blocks| blocks as c_uint);
        let Kernel { threads, shared_bytes, cooperative, .. } = function.kernel;
        let launch = if cooperative { result::launch_cooperative_kernel } else { result::launch_kernel };
        // SAFETY: the caller's conditions; the driver copies the arguments before it returns.
        let launched = unsafe {
            launch(
                function.function,
                (x, y, z),
                (threads, 1, 1),
                shared_bytes,
                self.stream.0,
                &mut arguments.pointers(),
            )
        };
        call(function.kernel.name, launched)
    }

    unsafe fn product(&self, product: &Product) -> Result<(), GpuError> {
        self.context.bind()?;
        // SAFETY: the caller's conditions.
        unsafe { self.products.borrow_mut().launch(product, self.stream.0) }
    }

    fn record(&self, work: &mut dyn FnMut() -> Result<(), GpuError>) -> Result<CudaGraph, GpuError> {
        self.context.bind()?;
        let alone = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is this backend's own.
        call("recording", unsafe { result::stream::begin_capture(self.stream.0, alone) })?;
        let done = work();
        // SAFETY: as above; a recording must be ended whatever came of it.
        let graph = unsafe { result::stream::end_capture(self.stream.0) };
        done?;
        let graph = call("the end of recording", graph)?;
        // SAFETY: the graph was just made, and is not needed once it is ready to run.
        let ready = unsafe {
            let ready = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            ended(result::graph::destroy(graph));
            ready
        };
        Ok(CudaGraph { graph: call("a graph", ready)?, context: self.context.clone() })
    }

    unsafe fn replay(&self, graph: &CudaGraph) -> Result<(), GpuError> {
        self.context.bind()?;
        // SAFETY: the caller's conditions.
        call("a graph's launch", unsafe { result::graph::launch(graph.graph, self.stream.0) })
    }
}
