//! Matrix products by cuBLASLt, with bias, GELU and residual in the product's own last step. For each shape the fastest
//! of the library's best guesses is measured once and kept in the data folder.

mod described;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use cudarc::cublaslt::{result, sys};
use cudarc::driver::result as driver;
use cudarc::driver::sys::CUstream;
use libloading::Library;

use self::described::Described;
use super::clock::Clock;
use super::context::{Context, call, ended};
use crate::gpu::backend::{Address, Into, Product};
use crate::gpu::cache::KernelCache;
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Precision;
use crate::gpu::nvrtc::library_places;

/// The library's file names.
const NAMES: [&str; 3] = ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"];
/// Bytes that a product may use beside its matrices: what NVIDIA advises for Hopper.
const WORKSPACE_BYTES: usize = 32 << 20;
/// Times that an algorithm is tried; the fastest counts.
const TRIES: usize = 6;
/// What another algorithm's time must be of the one that the library thinks better, so that noise does not choose.
const WORTH: f64 = 0.97;

/// The library with what was chosen for each shape.
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    workspace: u64,
    chosen: HashMap<Shape, Chosen>,
    cache: KernelCache,
    context: Arc<Context>,
}

// SAFETY: the library takes calls from any thread.
unsafe impl Send for Products {}

/// What a choice depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    rows: usize,
    inputs: usize,
    outputs: usize,
    precision: Precision,
    into: Into,
}

impl Shape {
    fn of(product: &Product) -> Self {
        let &Product { rows, inputs, outputs, precision, into, .. } = product;
        Self { rows, inputs, outputs, precision, into }
    }

    /// What y is kept in.
    fn kept(&self) -> Precision {
        if matches!(self.into, Into::Stream | Into::AddedToStream) { Precision::F32 } else { self.precision }
    }
}

/// A product and the algorithm for it.
struct Chosen {
    described: Described,
    algorithm: sys::cublasLtMatmulAlgo_t,
}

fn told<T>(what: &'static str, answer: Result<T, result::CublasError>) -> Result<T, GpuError> {
    answer.map_err(|error| GpuError::Call { call: what, reason: format!("{:?}", error.0) })
}

/// Loads the library from where the user says it is; whoever asks for it by name afterwards gets this one.
fn find() -> bool {
    static FOUND: OnceLock<Option<Library>> = OnceLock::new();
    // SAFETY: NVIDIA's library runs nothing of ours when it is loaded.
    let load = |path: PathBuf| unsafe { Library::new(path) }.ok();
    let found = FOUND.get_or_init(|| library_places(&NAMES).into_iter().find_map(load));
    // SAFETY: this only looks for the library.
    found.is_some() && unsafe { sys::is_culib_present() }
}

impl Products {
    pub fn new(context: &Arc<Context>, cache: KernelCache) -> Result<Self, GpuError> {
        if !find() {
            return Err(GpuError::Missing {
                what: "NVIDIA's matrix library (libcublasLt)",
                remedy: "install CUDA 12 or 13, or `pip install nvidia-cublas` and set HANDSTREAM_CUDA_LIBRARIES to \
                         the folder that holds it",
            });
        }
        let handle = told("the matrix library", result::create_handle())?;
        // SAFETY: products write the memory before they read it.
        let workspace = call("memory for products", unsafe { driver::malloc_sync(WORKSPACE_BYTES) })?;
        Ok(Self { handle, workspace, chosen: HashMap::new(), cache, context: context.clone() })
    }

    /// Launches a product. The first of its shape may wait for the card, which may not be recording then.
    ///
    /// # Safety
    /// As of [`crate::gpu::backend::KernelBackend::product`].
    pub unsafe fn launch(&mut self, product: &Product, stream: CUstream) -> Result<(), GpuError> {
        let shape = Shape::of(product);
        if !self.chosen.contains_key(&shape) {
            // SAFETY: the caller's conditions.
            let chosen = unsafe { self.choose(&shape, product, stream)? };
            self.chosen.insert(shape, chosen);
        }
        let Some(Chosen { described, algorithm }) = self.chosen.get(&shape) else { return Ok(()) };
        // SAFETY: the caller's conditions; the algorithm was chosen for this shape.
        unsafe { described.launch((self.handle, self.workspace), algorithm, product, stream) }
    }

    /// The algorithm that was kept for a shape, or the fastest of the library's guesses on this very product.
    ///
    /// # Safety
    /// As of [`Self::launch`].
    unsafe fn choose(&self, shape: &Shape, product: &Product, stream: CUstream) -> Result<Chosen, GpuError> {
        let described = Described::new(shape)?;
        described.set_bias(product.bias.0)?;
        let name = self.name(shape);
        let kept = self.cache.choice(&name).and_then(|bytes| bytemuck::try_pod_read_unaligned(&bytes).ok());
        if let Some(algorithm) = kept.map(|data| sys::cublasLtMatmulAlgo_t { data })
            && described.takes(self.handle, &algorithm)
        {
            return Ok(Chosen { described, algorithm });
        }
        let guesses = described.guesses(self.handle)?;
        // SAFETY: the caller's conditions.
        let algorithm = unsafe { self.fastest(&described, &guesses, shape, product, stream)? };
        if let Err(error) = self.cache.keep_choice(&name, bytemuck::bytes_of(&algorithm.data)) {
            tracing::warn!("{error}");
        }
        Ok(Chosen { described, algorithm })
    }

    /// # Safety
    /// As of [`Self::launch`].
    unsafe fn fastest(
        &self,
        described: &Described,
        guesses: &[sys::cublasLtMatmulAlgo_t],
        shape: &Shape,
        product: &Product,
        stream: CUstream,
    ) -> Result<sys::cublasLtMatmulAlgo_t, GpuError> {
        let clock = Clock::new()?;
        let bytes = shape.rows * shape.outputs * shape.kept().bytes();
        // Results that nobody reads go elsewhere: a product may be added to what is there.
        // SAFETY: nothing reads the memory but the products that add to it.
        let elsewhere = call("memory to try products", unsafe { driver::malloc_sync(bytes) })?;
        let tried = Product { y: Address(elsewhere), ..*product };
        let mut best: Option<(f64, sys::cublasLtMatmulAlgo_t)> = None;
        for algorithm in guesses {
            let once = || {
                let launch = || {
                    // SAFETY: the caller's conditions, and y is memory of the size; the library offered the algorithm.
                    unsafe { described.launch((self.handle, self.workspace), algorithm, &tried, stream) }
                };
                clock.time(stream, launch)
            };
            // One that the card does not take after all is none.
            let times: Result<Vec<f64>, GpuError> = (0..TRIES).map(|_| once()).collect();
            let Ok(times) = times else { continue };
            let time = times.into_iter().fold(f64::INFINITY, f64::min);
            if best.is_none_or(|(best, _)| time < WORTH * best) {
                best = Some((time, *algorithm));
            }
        }
        // SAFETY: the card is through with it, for the clock has waited.
        call("memory to try products", unsafe { driver::free_sync(elsewhere) })?;
        best.map(|(_, algorithm)| algorithm).ok_or_else(|| {
            let Shape { rows, inputs, outputs, .. } = shape;
            GpuError::Unfit(format!("the matrix library has no algorithm for {rows} x {inputs} x {outputs}"))
        })
    }

    /// What a kept choice is called: all that it depends on.
    fn name(&self, shape: &Shape) -> String {
        let info = self.context.info();
        let card: String =
            info.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        // SAFETY: the library is loaded.
        let version = unsafe { sys::cublasLtGetVersion() };
        let &Shape { rows, inputs, outputs, precision, into } = shape;
        let precision = precision.name();
        format!("product-{card}-{version}-{rows}x{inputs}x{outputs}-{precision}-{into:?}")
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        self.chosen.clear();
        if self.context.bind().is_ok() {
            // SAFETY: both are this value's own.
            unsafe {
                ended(driver::free_sync(self.workspace));
                ended(result::destroy_handle(self.handle));
            }
        }
    }
}
