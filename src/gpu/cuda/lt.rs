//! Matrix products by cuBLASLt, with bias, GELU and residual in the product's own last step.

use std::collections::HashMap;
use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, OnceLock};

use cudarc::cublaslt::{result, sys};
use cudarc::driver::result as driver;
use libloading::Library;

use super::context::{Context, call, ended};
use crate::gpu::backend::{Into, Product};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Precision;
use crate::gpu::nvrtc::library_places;

/// The library's file names.
const NAMES: [&str; 3] = ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"];
/// Bytes that a product may use beside its matrices: what NVIDIA advises for Hopper.
const WORKSPACE_BYTES: usize = 32 << 20;

/// `CUBLAS_OP_T`.
const TURNED: i32 = 1;

/// The library with what it chose for each shape.
pub(super) struct Products {
    handle: sys::cublasLtHandle_t,
    workspace: u64,
    chosen: HashMap<Shape, Chosen>,
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

/// A described product and the algorithm for it.
struct Chosen {
    description: sys::cublasLtMatmulDesc_t,
    /// W, x and y.
    layouts: [sys::cublasLtMatrixLayout_t; 3],
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
    pub fn new(context: &Arc<Context>) -> Result<Self, GpuError> {
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
        Ok(Self { handle, workspace, chosen: HashMap::new(), context: context.clone() })
    }

    /// Launches a product.
    ///
    /// # Safety
    /// As of [`crate::gpu::backend::KernelBackend::product`].
    pub unsafe fn launch(
        &mut self,
        product: &Product,
        stream: cudarc::driver::sys::CUstream,
    ) -> Result<(), GpuError> {
        let &Product { rows, inputs, outputs, precision, into, .. } = product;
        let shape = Shape { rows, inputs, outputs, precision, into };
        if !self.chosen.contains_key(&shape) {
            let chosen = self.choose(&shape)?;
            self.chosen.insert(shape, chosen);
        }
        let Some(chosen) = self.chosen.get(&shape) else { return Ok(()) };
        let (one, beside) = (1.0_f32, if into == Into::AddedToStream { 1.0_f32 } else { 0.0 });
        let [weight, x, y] = chosen.layouts;
        let at = |address: u64| address as *const c_void;
        // SAFETY: the caller's conditions; what the library is given lives until the call returns.
        unsafe {
            chosen.set(
                sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                &product.bias.0,
            )?;
            told(
                "a matrix product",
                result::matmul(
                    self.handle,
                    chosen.description,
                    (&raw const one).cast(),
                    (&raw const beside).cast(),
                    at(product.weight.0),
                    weight,
                    at(product.x.0),
                    x,
                    at(product.y.0),
                    y,
                    product.y.0 as *mut c_void,
                    y,
                    &raw const chosen.algorithm,
                    self.workspace as *mut c_void,
                    WORKSPACE_BYTES,
                    stream.cast(),
                ),
            )
        }
    }

    /// Describes a product and asks for the algorithm.
    fn choose(&self, shape: &Shape) -> Result<Chosen, GpuError> {
        use sys::cublasLtMatmulDescAttributes_t as Attribute;
        let &Shape { rows, inputs, outputs, precision, into } = shape;
        let number = |precision| match precision {
            Precision::Bf16 => sys::cudaDataType::CUDA_R_16BF,
            Precision::F32 => sys::cudaDataType::CUDA_R_32F,
        };
        let kept =
            if matches!(into, Into::Stream | Into::AddedToStream) { Precision::F32 } else { precision };
        let description = told(
            "describing a product",
            result::create_matmul_desc(
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cudaDataType::CUDA_R_32F,
            ),
        )?;
        // The library's matrices have their columns one after the other: ours are its matrices turned, and
        // y^T = W x^T with W turned back.
        let layout = |precision, height: usize, width: usize| {
            let made =
                result::create_matrix_layout(number(precision), height as u64, width as u64, height as i64);
            told("describing a matrix", made)
        };
        let layouts = [
            layout(precision, inputs, outputs)?,
            layout(precision, inputs, rows)?,
            layout(kept, outputs, rows)?,
        ];
        let turned = TURNED;
        let last = match into {
            Into::Gelu => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_GELU_BIAS,
            _ => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS,
        };
        let mut chosen = Chosen {
            description,
            layouts,
            // SAFETY: the library's structure is numbers, and is replaced below.
            algorithm: unsafe { std::mem::zeroed() },
        };
        let preference = told("a preference", result::create_matmul_pref())?;
        // SAFETY: everything was just made; the values are of the types that the attributes have.
        let found = unsafe {
            chosen.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &turned)?;
            chosen.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &last)?;
            // The library chooses for a bias that is there.
            chosen.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &self.workspace)?;
            let most = WORKSPACE_BYTES;
            let wanted = result::set_matmul_pref_attribute(
                preference,
                sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                (&raw const most).cast(),
                size_of_val(&most),
            );
            let [weight, x, y] = layouts;
            let found = wanted.and_then(|()| {
                result::get_matmul_algo_heuristic(self.handle, description, weight, x, y, y, preference)
            });
            ended(result::destroy_matmul_pref(preference));
            found
        };
        chosen.algorithm = told("choosing an algorithm", found)?.algo;
        Ok(chosen)
    }
}

impl Chosen {
    /// # Safety
    /// The attribute is of this type.
    unsafe fn set<T>(
        &self,
        attribute: sys::cublasLtMatmulDescAttributes_t,
        value: &T,
    ) -> Result<(), GpuError> {
        let value = ptr::from_ref(value).cast();
        // SAFETY: the description lives, and the library copies the value.
        let set =
            unsafe { result::set_matmul_desc_attribute(self.description, attribute, value, size_of::<T>()) };
        told("describing a product", set)
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        // SAFETY: they are this value's own.
        unsafe {
            ended(result::destroy_matmul_desc(self.description));
            self.layouts.into_iter().for_each(|layout| ended(result::destroy_matrix_layout(layout)));
        }
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
