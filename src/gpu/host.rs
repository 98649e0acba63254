//! The processor in a card's place: kernels compiled as C++ by the machine's compiler.

use std::cell::{RefCell, UnsafeCell};
use std::collections::HashMap;
use std::ffi::{c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use libloading::Library;

use super::backend::{Address, Arguments, Into, KernelBackend, Product};
use super::error::GpuError;
use super::kernel::{Kernel, Precision};

/// CUDA C++ on a processor.
const SHIM: &str = include_str!("../../kernels/host/cuda_host.h");
/// Blocks of a cooperative kernel: more than one, so that they must wait for each other.
const PROCESSORS: usize = 3;

/// `launch_NAME` of a compiled kernel.
type Launcher = unsafe extern "C" fn(
    grid: *const c_uint,
    block: *const c_uint,
    shared_bytes: c_uint,
    cooperative: c_int,
    arguments: *mut *mut c_void,
);

/// A kernel of a loaded library.
#[derive(Clone)]
pub struct HostFunction {
    launcher: Launcher,
    kernel: Kernel,
    _library: Arc<Library>,
}

/// Memory that begins where a card's would.
pub struct HostMemory {
    blocks: Box<[UnsafeCell<Aligned>]>,
    bytes: usize,
}

#[derive(Clone, Copy)]
#[repr(align(256))]
struct Aligned {
    _bytes: [u8; 256],
}

// SAFETY: only plain bytes lie in it.
unsafe impl Send for HostMemory {}

/// What was recorded, in order.
pub struct HostGraph(Vec<Work>);

enum Work {
    Launch(HostFunction, [usize; 3], Arguments),
    Product(Product),
}

/// The backend.
#[derive(Default)]
pub struct HostBackend {
    recording: RefCell<Option<Vec<Work>>>,
}

/// Why there is no compiler, or the command that compiles.
static COMPILER: OnceLock<Option<&'static str>> = OnceLock::new();
/// Libraries by fingerprint, so that each kernel is compiled once for all tests.
static LIBRARIES: Mutex<Option<HashMap<String, Arc<Library>>>> = Mutex::new(None);

impl HostBackend {
    /// The backend; `None`, with a printed reason, where the machine has no compiler for C++.
    pub fn new() -> Option<Self> {
        let works = |name: &&str| {
            Command::new(name).arg("--version").output().is_ok_and(|said| said.status.success())
        };
        let found = COMPILER.get_or_init(|| ["g++", "clang++"].into_iter().find(|name| works(name)));
        if found.is_none() {
            println!("skipped: neither g++ nor clang++ is on this machine");
        }
        found.map(|_| Self::default())
    }
}

/// Compiles and loads the library of a kernel.
fn library(kernel: &Kernel) -> Result<Arc<Library>, String> {
    let mut libraries = LIBRARIES.lock().map_err(|_| "another test failed while compiling".to_owned())?;
    let libraries = libraries.get_or_insert_default();
    let key = format!("{}-{}", kernel.name, kernel.fingerprint(&[]));
    if let Some(library) = libraries.get(&key) {
        return Ok(library.clone());
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    compile(kernel, folder.path())?;
    // SAFETY: the library was just made of the kernel, and runs nothing when it is loaded.
    let library =
        unsafe { Library::new(folder.path().join("kernel.so")) }.map_err(|error| error.to_string())?;
    let library = Arc::new(library);
    libraries.insert(key, library.clone());
    Ok(library)
}

fn compile(kernel: &Kernel, folder: &Path) -> Result<(), String> {
    let compiler = COMPILER.get().copied().flatten().ok_or("no compiler")?;
    let written =
        |name: &str, text: &str| std::fs::write(folder.join(name), text).map_err(|error| error.to_string());
    std::fs::create_dir(folder.join("host")).map_err(|error| error.to_string())?;
    written("host/cuda_host.h", SHIM)?;
    written("kernel.cpp", &format!("{}\nHOST_KERNEL({})\n", kernel.source.text(), kernel.name))?;
    let mut command = Command::new(compiler);
    command.current_dir(folder).args(["-std=c++17", "-O2", "-fPIC", "-shared", "-ffp-contract=off"]);
    // Jumps between stacks are what a checked `longjmp` forbids.
    command.args(["-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas", "-DHANDSTREAM_HOST"]);
    command.args(kernel.definitions().iter().map(|definition| format!("-D{definition}")));
    let said = command.args(["kernel.cpp", "-o", "kernel.so"]).output().map_err(|error| error.to_string())?;
    if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into_owned()) }
}

impl HostFunction {
    /// # Safety
    /// As of [`KernelBackend::launch`].
    unsafe fn run(&self, grid: [usize; 3], arguments: &mut Arguments) {
        let grid = grid.map(|blocks| blocks as c_uint);
        let block = [self.kernel.threads, 1, 1];
        let cooperative = c_int::from(self.kernel.cooperative);
        // SAFETY: the caller's conditions.
        unsafe {
            (self.launcher)(
                grid.as_ptr(),
                block.as_ptr(),
                self.kernel.shared_bytes,
                cooperative,
                arguments.pointers().as_mut_ptr(),
            );
        }
    }
}

impl HostMemory {
    fn start(&self) -> *mut u8 {
        self.blocks.first().map_or(std::ptr::null_mut(), |block| block.get().cast())
    }

    fn check(&self, at: usize, count: usize) -> Result<(), GpuError> {
        let fits = at.checked_add(count).is_some_and(|end| end <= self.bytes);
        let bytes = self.bytes;
        fits.then_some(()).ok_or_else(|| GpuError::Unfit(format!("{count} bytes at {at} of {bytes}")))
    }
}

impl KernelBackend for HostBackend {
    type Memory = HostMemory;
    type Function = HostFunction;
    type Graph = HostGraph;

    fn processors(&self) -> usize {
        PROCESSORS
    }

    fn load(&self, kernel: &Kernel) -> Result<HostFunction, GpuError> {
        let failed =
            |log: String| GpuError::Compile { file: kernel.source.file(), target: "the host".into(), log };
        let library = library(kernel).map_err(failed)?;
        let name = format!("launch_{}", kernel.name);
        // SAFETY: the shim's macro gives the function this type.
        let launcher =
            unsafe { library.get::<Launcher>(&name) }.map_err(|error| failed(error.to_string()))?;
        Ok(HostFunction { launcher: *launcher, kernel: kernel.clone(), _library: library })
    }

    fn allocate(&self, bytes: usize) -> Result<HostMemory, GpuError> {
        let blocks =
            (0..bytes.div_ceil(256).max(1)).map(|_| UnsafeCell::new(Aligned { _bytes: [0; 256] })).collect();
        Ok(HostMemory { blocks, bytes })
    }

    fn address(&self, memory: &HostMemory) -> Address {
        Address(memory.start() as u64)
    }

    fn write(&self, memory: &HostMemory, at: usize, bytes: &[u8]) -> Result<(), GpuError> {
        memory.check(at, bytes.len())?;
        // SAFETY: they fit; memory is reached through raw pointers only.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.start().add(at), bytes.len()) };
        Ok(())
    }

    fn read(&self, memory: &HostMemory, at: usize, bytes: &mut [u8]) -> Result<(), GpuError> {
        memory.check(at, bytes.len())?;
        // SAFETY: as above.
        unsafe { std::ptr::copy_nonoverlapping(memory.start().add(at), bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    unsafe fn launch(
        &self,
        function: &HostFunction,
        grid: [usize; 3],
        arguments: &mut Arguments,
    ) -> Result<(), GpuError> {
        match &mut *self.recording.borrow_mut() {
            Some(works) => works.push(Work::Launch(function.clone(), grid, arguments.clone())),
            // SAFETY: the caller's conditions.
            None => unsafe { function.run(grid, arguments) },
        }
        Ok(())
    }

    unsafe fn product(&self, product: &Product) -> Result<(), GpuError> {
        match &mut *self.recording.borrow_mut() {
            Some(works) => works.push(Work::Product(*product)),
            // SAFETY: the caller's conditions.
            None => unsafe { multiply(product) },
        }
        Ok(())
    }

    fn record(&self, work: &mut dyn FnMut() -> Result<(), GpuError>) -> Result<HostGraph, GpuError> {
        *self.recording.borrow_mut() = Some(Vec::new());
        let done = work();
        let works = self.recording.borrow_mut().take().unwrap_or_default();
        done.map(|()| HostGraph(works))
    }

    unsafe fn replay(&self, graph: &HostGraph) -> Result<(), GpuError> {
        for work in &graph.0 {
            // SAFETY: the caller's conditions.
            unsafe {
                match work {
                    Work::Launch(function, grid, arguments) => function.run(*grid, &mut arguments.clone()),
                    Work::Product(product) => multiply(product),
                }
            }
        }
        Ok(())
    }
}

/// Reads `count` numbers of `precision`.
unsafe fn numbers(at: Address, count: usize, precision: Precision) -> Vec<f32> {
    // SAFETY: the caller vouches for the numbers.
    let bytes = unsafe { std::slice::from_raw_parts(at.0 as *const u8, count * precision.bytes()) };
    precision.from_bytes(bytes)
}

/// The product, as the card's library defines it.
unsafe fn multiply(product: &Product) {
    let &Product { rows, inputs, outputs, precision, into, .. } = product;
    let streams = matches!(into, Into::Stream | Into::AddedToStream);
    let kept = if streams { Precision::F32 } else { precision };
    // SAFETY: the caller vouches for the numbers.
    let (x, weight, bias) = unsafe {
        let x = numbers(product.x, rows * inputs, precision);
        (x, numbers(product.weight, outputs * inputs, precision), numbers(product.bias, outputs, kept))
    };
    for row in 0..rows {
        for output in 0..outputs {
            let pairs = x[row * inputs..][..inputs].iter().zip(&weight[output * inputs..][..inputs]);
            let mut value = pairs.map(|(a, b)| a * b).sum::<f32>() + bias[output];
            if into == Into::Gelu {
                value = gelu(value);
            }
            let at = row * outputs + output;
            // SAFETY: as above.
            unsafe {
                if into == Into::AddedToStream {
                    *(product.y.0 as *mut f32).add(at) += value;
                } else {
                    let bytes = kept.to_bytes(&[value]);
                    let place = (product.y.0 as *mut u8).add(at * bytes.len());
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
                }
            }
        }
    }
}

/// The tanh form.
fn gelu(x: f32) -> f32 {
    let inner = std::f32::consts::FRAC_2_PI.sqrt() * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}
