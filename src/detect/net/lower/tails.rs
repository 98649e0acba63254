//! What follows a convolution and becomes part of it: sums, PReLU, and the channel padding that feeds sums.

use super::{Lowering, Operand};
use crate::detect::net::CHANNEL_STEP;
use crate::detect::net::error::ModelError;
use crate::detect::net::graph::{Op, Residual};
use crate::detect::net::kernels::Activation;
use crate::detect::net::model::Operator;

impl Lowering<'_> {
    /// The place of the convolution that computes an operand nobody else reads.
    fn open_conv(&self, operator: &Operator, position: usize) -> Option<usize> {
        let tensor = operator.input(position).ok()?;
        let Some(&Operand::Plain(value)) = self.operands.get(&tensor) else { return None };
        let node = self.nodes.iter().rposition(|node| node.output == value)?;
        (self.uses[tensor] == 1 && matches!(self.nodes[node].op, Op::Conv { .. })).then_some(node)
    }

    /// Moves a convolution to the end, with a changed tail, as the producer of `tensor`.
    fn extend_conv(&mut self, node: usize, tensor: usize, change: impl FnOnce(&mut Op)) {
        let mut node = self.nodes.remove(node);
        change(&mut node.op);
        self.operands.insert(tensor, Operand::Plain(node.output));
        self.nodes.push(node);
    }

    /// A sum joins the convolution of one operand, before or after its activation.
    pub(super) fn add(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (tensor, to) = self.result(operator)?;
        if operator.inputs.len() != 2 || operator.byte(0)? != 0 {
            return operator.unsupported("sums have two operands and no activation");
        }
        for (position, other) in [(0, 1), (1, 0)] {
            let Some(node) = self.open_conv(operator, position) else { continue };
            let Op::Conv { residual: None, activation, .. } = &self.nodes[node].op else { continue };
            let after_activation = *activation != Activation::None;
            let (value, widened) = match self.operand(operator, other)? {
                Operand::Plain(value) => (value, false),
                Operand::Widened(value) => (value, true),
                Operand::Reshaped(_) => return operator.unsupported("it adds a reshaped tensor"),
            };
            let (own, added) = (self.shapes[self.nodes[node].output], self.shapes[value]);
            // Kernels add whole registers, so a narrower operand must end at a register's border.
            let channels_fit = if widened {
                added.channels < own.channels && added.channels.is_multiple_of(CHANNEL_STEP)
            } else {
                added.channels == own.channels
            };
            if own != to || (added.height, added.width) != (own.height, own.width) || !channels_fit {
                return operator.inconsistent("the operands have different shapes");
            }
            self.extend_conv(node, tensor, |op| {
                if let Op::Conv { residual, .. } = op {
                    *residual = Some(Residual { value, after_activation });
                }
            });
            return Ok(());
        }
        operator.unsupported("one operand of a sum should come straight from a convolution")
    }

    pub(super) fn prelu(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (tensor, to) = self.result(operator)?;
        let slopes = self.floats(operator, 1, to.channels)?;
        let open = self.open_conv(operator, 0).filter(|&node| {
            matches!(
                &self.nodes[node].op,
                Op::Conv { activation: Activation::None, residual, .. }
                    if residual.as_ref().is_none_or(|residual| !residual.after_activation)
            )
        });
        let Some(node) = open else {
            return operator.unsupported("PReLU should follow a convolution or a sum with one");
        };
        if self.shapes[self.nodes[node].output] != to {
            return operator.inconsistent("operand and result have different shapes");
        }
        self.extend_conv(node, tensor, |op| {
            if let Op::Conv { activation, .. } = op {
                *activation = Activation::Prelu(slopes);
            }
        });
        Ok(())
    }

    pub(super) fn pad(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        let amounts = self.integers(operator, 1)?;
        let [0, 0, 0, 0, 0, 0, 0, extra] = amounts[..] else {
            return operator.unsupported("only channels can be appended");
        };
        let channels = usize::try_from(extra).ok().and_then(|extra| extra.checked_add(from.channels));
        if channels != Some(to.channels) || (from.height, from.width) != (to.height, to.width) {
            return operator.inconsistent("the result does not have the padded shape");
        }
        self.operands.insert(tensor, Operand::Widened(input));
        Ok(())
    }
}
