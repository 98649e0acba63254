//! One shape of product as the library describes it, and its algorithms.

use std::ffi::c_void;
use std::ptr;

use cudarc::cublaslt::{result, sys};

use super::{Shape, WORKSPACE_BYTES, told};
use crate::gpu::backend::{Into, Product};
use crate::gpu::cuda::context::ended;
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Precision;

/// `CUBLAS_OP_T`.
const TURNED: i32 = 1;
/// Algorithms that the library is asked for.
const GUESSES: usize = 16;

/// A product but for its matrices' places.
pub(super) struct Described {
    description: sys::cublasLtMatmulDesc_t,
    /// W, x and y.
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    /// What y is multiplied with before the product is added to it.
    beside: f32,
}

impl Described {
    pub fn new(shape: &Shape) -> Result<Self, GpuError> {
        use sys::cublasLtMatmulDescAttributes_t as Attribute;
        let &Shape { rows, inputs, outputs, precision, into } = shape;
        let number = |precision| match precision {
            Precision::Bf16 => sys::cudaDataType::CUDA_R_16BF,
            Precision::F16 => sys::cudaDataType::CUDA_R_16F,
            Precision::F32 => sys::cudaDataType::CUDA_R_32F,
        };
        // The library's matrices have their columns one after the other: ours are its matrices turned, and
        // y^T = W x^T with W turned back.
        let layout = |precision, height: usize, width: usize| {
            let made =
                result::create_matrix_layout(number(precision), height as u64, width as u64, height as i64);
            told("describing a matrix", made)
        };
        let description = result::create_matmul_desc(
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            sys::cudaDataType::CUDA_R_32F,
        );
        let described = Self {
            description: told("describing a product", description)?,
            layouts: [
                layout(precision, inputs, outputs)?,
                layout(precision, inputs, rows)?,
                layout(shape.kept(), outputs, rows)?,
            ],
            beside: if into == Into::AddedToStream { 1.0 } else { 0.0 },
        };
        let last = match into {
            Into::Gelu => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_GELU_BIAS,
            _ => sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS,
        };
        // SAFETY: the values are of the types that the attributes have.
        unsafe {
            described.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &TURNED)?;
            described.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &last)?;
        }
        Ok(described)
    }

    /// The bias of the next product; the library chooses for one that is there.
    pub fn set_bias(&self, bias: u64) -> Result<(), GpuError> {
        // SAFETY: the attribute is an address.
        unsafe { self.set(sys::cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias) }
    }

    /// The algorithms that the library holds for the best, best first.
    pub fn guesses(&self, handle: sys::cublasLtHandle_t) -> Result<Vec<sys::cublasLtMatmulAlgo_t>, GpuError> {
        let preference = told("a preference", result::create_matmul_pref())?;
        let [weight, x, y] = self.layouts;
        let most = WORKSPACE_BYTES;
        let mut count = 0;
        // SAFETY: everything lives, and the list has as many places as are asked for.
        let found = unsafe {
            let mut found: [sys::cublasLtMatmulHeuristicResult_t; GUESSES] = std::mem::zeroed();
            let wanted = result::set_matmul_pref_attribute(
                preference,
                sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                (&raw const most).cast(),
                size_of_val(&most),
            );
            let asked = wanted.and_then(|()| {
                sys::cublasLtMatmulAlgoGetHeuristic(
                    handle,
                    self.description,
                    weight,
                    x,
                    y,
                    y,
                    preference,
                    GUESSES as i32,
                    found.as_mut_ptr(),
                    &raw mut count,
                )
                .result()
            });
            ended(result::destroy_matmul_pref(preference));
            told("choosing an algorithm", asked)?;
            found
        };
        let usable = found.iter().take(usize::try_from(count).unwrap_or(0));
        Ok(usable.filter(|found| found.state.result().is_ok()).map(|found| found.algo).collect())
    }

    /// Whether an algorithm fits this product.
    pub fn takes(&self, handle: sys::cublasLtHandle_t, algorithm: &sys::cublasLtMatmulAlgo_t) -> bool {
        let [weight, x, y] = self.layouts;
        // SAFETY: everything lives; the library writes one result.
        unsafe {
            let mut answer: sys::cublasLtMatmulHeuristicResult_t = std::mem::zeroed();
            let description = self.description;
            let checked = sys::cublasLtMatmulAlgoCheck(
                handle,
                description,
                weight,
                x,
                y,
                y,
                algorithm,
                &raw mut answer,
            );
            checked.result().is_ok() && answer.workspaceSize <= WORKSPACE_BYTES
        }
    }

    /// Launches a product of this shape.
    ///
    /// # Safety
    /// As of [`crate::gpu::backend::KernelBackend::product`]; the workspace has [`WORKSPACE_BYTES`] and the algorithm is
    /// one for this shape.
    pub unsafe fn launch(
        &self,
        (handle, workspace): (sys::cublasLtHandle_t, u64),
        algorithm: &sys::cublasLtMatmulAlgo_t,
        product: &Product,
        stream: cudarc::driver::sys::CUstream,
    ) -> Result<(), GpuError> {
        self.set_bias(product.bias.0)?;
        let one = 1.0_f32;
        let [weight, x, y] = self.layouts;
        let at = |address: u64| address as *const c_void;
        // SAFETY: the caller's conditions; what the library is given lives until the call returns.
        let launched = unsafe {
            result::matmul(
                handle,
                self.description,
                (&raw const one).cast(),
                (&raw const self.beside).cast(),
                at(product.weight.0),
                weight,
                at(product.x.0),
                x,
                at(product.y.0),
                y,
                product.y.0 as *mut c_void,
                y,
                algorithm,
                workspace as *mut c_void,
                WORKSPACE_BYTES,
                stream.cast(),
            )
        };
        told("a matrix product", launched)
    }

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

impl Drop for Described {
    fn drop(&mut self) {
        // SAFETY: they are this value's own.
        unsafe {
            ended(result::destroy_matmul_desc(self.description));
            self.layouts.into_iter().for_each(|layout| ended(result::destroy_matrix_layout(layout)));
        }
    }
}
