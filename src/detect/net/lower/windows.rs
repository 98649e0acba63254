//! Convolutions of all kinds: their windows, weights and limits.

use super::{Lowering, MAX_CONSTANTS, MAX_PRODUCTS, limit, list_shape};
use crate::detect::net::CHANNEL_STEP;
use crate::detect::net::error::ModelError;
use crate::detect::net::graph::{Op, Shape, Window};
use crate::detect::net::kernels::{Activation, MAX_KERNEL, has_depthwise};
use crate::detect::net::model::Operator;

/// Output extent and zeros before the first pixel along one side.
fn extent(input: usize, kernel: usize, stride: usize, same: bool) -> Option<(usize, usize)> {
    if same {
        let output = input.div_ceil(stride);
        Some((output, ((output - 1) * stride + kernel).saturating_sub(input) / 2))
    } else {
        Some((input.checked_sub(kernel)? / stride + 1, 0))
    }
}

impl Lowering<'_> {
    /// The window of a convolution, checked against the declared result.
    fn window(
        operator: &Operator,
        kernel: [usize; 2],
        dilation: [usize; 2],
        input: Shape,
        output: Shape,
    ) -> Result<Window, ModelError> {
        let stride = operator.number(1, 1)?;
        let dilated = dilation.iter().map(|&field| operator.number(field, 1)).find(|d| *d != Ok(1));
        if kernel[0] != kernel[1] || operator.number(2, 1)? != stride || dilated.is_some() {
            return operator.unsupported("kernel and stride should be square and dense");
        }
        let [kernel, _] = kernel;
        let stride = match usize::try_from(stride) {
            Ok(stride @ 1..=MAX_KERNEL) if (1..=MAX_KERNEL).contains(&kernel) => stride,
            _ => return operator.unsupported("kernel or stride is too large"),
        };
        let same = operator.byte(0)? == 0;
        let rows = extent(input.height, kernel, stride, same);
        let columns = extent(input.width, kernel, stride, same);
        match (rows, columns) {
            (Some((height, top)), Some((width, left)))
                if (height, width) == (output.height, output.width) =>
            {
                Ok(Window { kernel, stride, top, left })
            }
            _ => operator.inconsistent("the declared result has the wrong extent"),
        }
    }

    /// Counts the weights of a convolution as they will be packed, channels in whole registers.
    fn count_packed(&mut self, outputs: usize, patch: usize) -> Result<(), ModelError> {
        let packed = outputs.next_multiple_of(CHANNEL_STEP).saturating_mul(patch);
        self.constants = self.constants.saturating_add(packed);
        limit("weights", self.constants, MAX_CONSTANTS)
    }

    fn count_products(&mut self, output: Shape, patch: usize) -> Result<(), ModelError> {
        self.products = self.products.saturating_add(output.elements().saturating_mul(patch));
        limit("multiplications", self.products, MAX_PRODUCTS)
    }

    pub(super) fn conv(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        let &[outputs, rows, columns, channels] = self.constant_shape(operator, 1)? else {
            return operator.inconsistent("the weights should have four dimensions");
        };
        if (outputs, channels) != (to.channels, from.channels) {
            return operator.inconsistent("the weights do not fit the channels");
        }
        let window = Self::window(operator, [rows, columns], [4, 5], from, to)?;
        self.count_products(to, rows * columns * channels)?;
        self.count_packed(outputs, rows * columns * channels.next_multiple_of(CHANNEL_STEP))?;
        let weights = self.floats(operator, 1, outputs * rows * columns * channels)?;
        let bias = self.bias(operator, outputs)?;
        let activation =
            Self::clamp(operator, 3)?.map_or(Activation::None, |(low, high)| Activation::Clamp(low, high));
        self.push(tensor, to, Op::Conv { window, weights, bias, residual: None, activation }, vec![input])
    }

    pub(super) fn depthwise(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        let &[1, rows, columns, channels] = self.constant_shape(operator, 1)? else {
            return operator.inconsistent("the weights should have four dimensions, the first 1");
        };
        if channels != to.channels || channels != from.channels {
            return operator.inconsistent("the weights do not fit the channels");
        }
        let window = Self::window(operator, [rows, columns], [5, 6], from, to)?;
        if !has_depthwise(window.kernel, window.stride) {
            return operator.unsupported("there is no depthwise kernel of this side and stride");
        }
        self.count_products(to, rows * columns)?;
        let weights = self.floats(operator, 1, rows * columns * channels)?;
        let bias = self.bias(operator, channels)?;
        let clamp = Self::clamp(operator, 4)?;
        self.push(tensor, to, Op::Depthwise { window, weights, bias, clamp }, vec![input])
    }

    /// A product of a list with a matrix: a convolution of a picture of one pixel.
    pub(super) fn fully_connected(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        let &[outputs, inputs] = self.constant_shape(operator, 1)? else {
            return operator.inconsistent("the weights should have two dimensions");
        };
        if from != list_shape(inputs) || to != list_shape(outputs) || operator.byte(1)? != 0 {
            return operator.inconsistent("the weights do not fit the lists");
        }
        self.count_products(to, inputs)?;
        self.count_packed(outputs, inputs)?;
        let weights = self.floats(operator, 1, outputs * inputs)?;
        let bias = self.bias(operator, outputs)?;
        let activation =
            Self::clamp(operator, 0)?.map_or(Activation::None, |(low, high)| Activation::Clamp(low, high));
        let window = Window { kernel: 1, stride: 1, top: 0, left: 0 };
        self.push(tensor, to, Op::Conv { window, weights, bias, residual: None, activation }, vec![input])
    }
}
