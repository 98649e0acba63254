//! Every kernel in the sizes of the released networks.

use super::cuda::CudaBackend;
use super::decoder::DeviceDecoder;
use super::kernel::{Kernel, Precision};
use super::ops::{AttentionOp, ContactsOp, CorrelationOp, CropsOp, GeluOp, HandsOp, LayerNormOp};
use super::random_release::FULL_SIZE;

/// Triangles of MANO's mesh with the wrist closed.
const MANO_TRIANGLES: usize = 1554;

/// The kernels, those of a frame of HaPTIC first, in 16 bits of both kinds, then in 32, then what has one form only.
pub fn catalogue() -> Vec<Kernel> {
    let (vit, decoder) = FULL_SIZE;
    let mut kernels = Vec::new();
    for precision in [Precision::Bf16, Precision::F16, Precision::F32] {
        kernels.extend(CropsOp::<CudaBackend>::kernels(precision));
        kernels.push(LayerNormOp::<CudaBackend>::kernel(vit.width, precision));
        kernels.push(AttentionOp::<CudaBackend>::kernel(vit.width / vit.heads, precision));
        kernels.push(DeviceDecoder::<CudaBackend>::kernel(decoder.heads, precision));
    }
    kernels.push(GeluOp::<CudaBackend>::kernel(Precision::F32));
    kernels.push(HandsOp::<CudaBackend>::kernel());
    kernels.push(ContactsOp::<CudaBackend>::kernel(MANO_TRIANGLES));
    kernels.push(CorrelationOp::<CudaBackend>::kernel());
    kernels
}
