//! From the operators of a file to the nodes of a [`Graph`].
//!
//! All shapes are verified here against the operators that claim them. Sums and activations that follow a
//! convolution become part of it; channel padding becomes a residual with fewer channels; 16-bit constants
//! are expanded.

mod tails;
mod windows;

use std::collections::HashMap;

use crate::detect::net::error::ModelError;
use crate::detect::net::graph::{Graph, Node, Op, Shape, Value};
use crate::detect::net::model::{Model, Operator};

/// TensorFlow Lite's numbers of the operators that the hand models use.
mod code {
    pub const ADD: i32 = 0;
    pub const CONCATENATION: i32 = 2;
    pub const CONV_2D: i32 = 3;
    pub const DEPTHWISE_CONV_2D: i32 = 4;
    pub const DEQUANTIZE: i32 = 6;
    pub const FULLY_CONNECTED: i32 = 9;
    pub const LOGISTIC: i32 = 14;
    pub const MAX_POOL_2D: i32 = 17;
    pub const RESHAPE: i32 = 22;
    pub const RESIZE_BILINEAR: i32 = 23;
    pub const PAD: i32 = 34;
    pub const MEAN: i32 = 40;
    pub const PRELU: i32 = 54;
}

/// Most constant values and most multiplications that a model may ask for.
const MAX_CONSTANTS: usize = 1 << 24;
const MAX_PRODUCTS: usize = 1 << 33;
/// Most values of all results together.
const MAX_VALUES: usize = 1 << 24;

/// What a tensor of the file stands for.
#[derive(Clone, Copy)]
enum Operand {
    /// A value as it is.
    Plain(Value),
    /// A value with channels of zeros appended.
    Widened(Value),
    /// A value's numbers under another shape.
    Reshaped(Value),
}

struct Lowering<'a> {
    model: &'a Model<'a>,
    /// For a constant expanded by an operator: the tensor with the stored numbers.
    stored: HashMap<usize, usize>,
    /// How often each tensor is read.
    uses: Vec<usize>,
    operands: HashMap<usize, Operand>,
    shapes: Vec<Shape>,
    nodes: Vec<Node>,
    constants: usize,
    products: usize,
    values: usize,
}

/// Turns a parsed file into a graph.
pub(super) fn lower(model: &Model) -> Result<Graph, ModelError> {
    let mut lowering = Lowering::new(model);
    let [input] = model.inputs[..] else {
        return Err(ModelError::Damaged { at: 0, what: "the inputs: there should be one picture" });
    };
    let Some(shape) = picture_shape(&model.tensors[input].shape) else {
        return Err(ModelError::Damaged { at: 0, what: "the shape of the input picture" });
    };
    let picture = lowering.value(shape)?;
    lowering.push(input, shape, Op::Picture, vec![picture])?;
    for operator in &model.operators {
        lowering.operator(operator)?;
    }
    let outputs = model.outputs.iter().map(|&tensor| lowering.dense(tensor)).collect::<Result<_, _>>()?;
    Ok(Graph { shapes: lowering.shapes, nodes: lowering.nodes, input: picture, outputs })
}

/// A batch of one picture, or of one list of numbers.
fn picture_shape(shape: &[usize]) -> Option<Shape> {
    match *shape {
        [1, height, width, channels] => Some(Shape { height, width, channels }),
        [1, channels] => Some(Shape { height: 1, width: 1, channels }),
        _ => None,
    }
}

/// The shape of a list of numbers.
fn list_shape(channels: usize) -> Shape {
    Shape { height: 1, width: 1, channels }
}

fn limit(what: &'static str, wanted: usize, limit: usize) -> Result<(), ModelError> {
    if wanted > limit { Err(ModelError::TooLarge { what, wanted, limit }) } else { Ok(()) }
}

impl<'a> Lowering<'a> {
    fn new(model: &'a Model<'a>) -> Self {
        let mut uses = vec![0; model.tensors.len()];
        let read = model.operators.iter().flat_map(|operator| operator.inputs.iter().flatten());
        for &tensor in read.chain(&model.outputs) {
            uses[tensor] += 1;
        }
        Self {
            model,
            stored: HashMap::new(),
            uses,
            operands: HashMap::new(),
            shapes: Vec::new(),
            nodes: Vec::new(),
            constants: 0,
            products: 0,
            values: 0,
        }
    }

    /// A new value.
    fn value(&mut self, shape: Shape) -> Result<Value, ModelError> {
        self.values += shape.elements();
        limit("values", self.values, MAX_VALUES)?;
        self.shapes.push(shape);
        Ok(self.shapes.len() - 1)
    }

    /// Appends a node that computes `tensor`.
    fn push(&mut self, tensor: usize, shape: Shape, op: Op, inputs: Vec<Value>) -> Result<(), ModelError> {
        let output = self.value(shape)?;
        self.operands.insert(tensor, Operand::Plain(output));
        self.nodes.push(Node { op, inputs, output });
        Ok(())
    }

    fn operator(&mut self, operator: &Operator) -> Result<(), ModelError> {
        match operator.code {
            code::DEQUANTIZE => {
                self.stored.insert(operator.output()?, operator.input(0)?);
                Ok(())
            }
            code::CONV_2D => self.conv(operator),
            code::DEPTHWISE_CONV_2D => self.depthwise(operator),
            code::FULLY_CONNECTED => self.fully_connected(operator),
            code::ADD => self.add(operator),
            code::PRELU => self.prelu(operator),
            code::MAX_POOL_2D => self.max_pool(operator),
            code::RESIZE_BILINEAR => self.resize(operator),
            code::PAD => self.pad(operator),
            code::MEAN => self.mean(operator),
            code::LOGISTIC => self.logistic(operator),
            code::RESHAPE => self.reshape(operator),
            code::CONCATENATION => self.concatenation(operator),
            _ => operator.unsupported("it is not an operator of the hand models"),
        }
    }

    fn operand(&self, operator: &Operator, position: usize) -> Result<Operand, ModelError> {
        match self.operands.get(&operator.input(position)?) {
            Some(&operand) => Ok(operand),
            None => operator.inconsistent("it reads a tensor that was not computed before"),
        }
    }

    /// An operand that is a value without any view around it.
    fn plain(&self, operator: &Operator, position: usize) -> Result<(Value, Shape), ModelError> {
        match self.operand(operator, position)? {
            Operand::Plain(value) => Ok((value, self.shapes[value])),
            _ => operator.unsupported("it reads a padded or reshaped tensor"),
        }
    }

    /// The declared shape of the result.
    fn result(&self, operator: &Operator) -> Result<(usize, Shape), ModelError> {
        let tensor = operator.output()?;
        match picture_shape(&self.model.tensors[tensor].shape) {
            Some(shape) => Ok((tensor, shape)),
            None => operator.unsupported("its result is neither one picture nor one list"),
        }
    }

    /// A constant operand of `expected` floats.
    fn floats(
        &mut self,
        operator: &Operator,
        position: usize,
        expected: usize,
    ) -> Result<Vec<f32>, ModelError> {
        let tensor = self.constant(operator, position)?;
        self.constants = self.constants.saturating_add(expected);
        limit("weights", self.constants, MAX_CONSTANTS)?;
        let tensor = &self.model.tensors[tensor];
        if tensor.elements() != expected {
            return operator.inconsistent("a constant has the wrong size");
        }
        match tensor.floats() {
            Some(values) if values.iter().all(|value| value.is_finite()) => Ok(values),
            _ => operator.inconsistent("a constant does not hold finite floats of its size"),
        }
    }

    fn integers(&self, operator: &Operator, position: usize) -> Result<Vec<i32>, ModelError> {
        match self.model.tensors[self.constant(operator, position)?].integers() {
            Some(values) => Ok(values),
            None => operator.inconsistent("a constant does not hold whole numbers of its size"),
        }
    }

    /// The tensor with the stored numbers of a constant operand.
    fn constant(&self, operator: &Operator, position: usize) -> Result<usize, ModelError> {
        let tensor = operator.input(position)?;
        let tensor = self.stored.get(&tensor).copied().unwrap_or(tensor);
        if self.model.tensors[tensor].is_constant() {
            Ok(tensor)
        } else {
            operator.unsupported("an operand should be a constant")
        }
    }

    /// The declared shape of a constant operand.
    fn constant_shape(&self, operator: &Operator, position: usize) -> Result<&'a [usize], ModelError> {
        Ok(&self.model.tensors[self.constant(operator, position)?].shape)
    }

    /// Bias of `channels` values; zeros where left out.
    fn bias(&mut self, operator: &Operator, channels: usize) -> Result<Vec<f32>, ModelError> {
        match operator.inputs.get(2) {
            Some(Some(_)) => self.floats(operator, 2, channels),
            _ => Ok(vec![0.0; channels]),
        }
    }

    /// The limits of a fused activation.
    fn clamp(operator: &Operator, field: usize) -> Result<Option<(f32, f32)>, ModelError> {
        match operator.byte(field)? {
            0 => Ok(None),
            1 => Ok(Some((0.0, f32::INFINITY))),
            3 => Ok(Some((0.0, 6.0))),
            _ => operator.unsupported("its activation is neither ReLU nor ReLU6"),
        }
    }

    fn max_pool(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        for field in 1..=4 {
            if operator.number(field, 0)? != 2 {
                return operator.unsupported("pooling should be 2x2 with stride 2");
            }
        }
        let halved = Shape { height: to.height * 2, width: to.width * 2, channels: to.channels };
        if halved != from || operator.byte(5)? != 0 {
            return operator.inconsistent("the result should be half the operand, without activation");
        }
        self.push(tensor, to, Op::MaxPool, vec![input])
    }

    fn resize(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        let doubled = Shape { height: from.height * 2, width: from.width * 2, channels: from.channels };
        if to != doubled || operator.byte(2)? != 0 || operator.byte(3)? == 0 {
            return operator.unsupported("only doubling between pixel centres is");
        }
        self.push(tensor, to, Op::Upsample, vec![input])
    }

    fn mean(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        if self.integers(operator, 1)? != [1, 2] {
            return operator.unsupported("the mean should go over rows and columns");
        }
        if to != list_shape(from.channels) {
            return operator.inconsistent("the result should be one pixel");
        }
        self.push(tensor, to, Op::Mean, vec![input])
    }

    fn logistic(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let (tensor, to) = self.result(operator)?;
        if from != to || to != list_shape(to.channels) {
            return operator.unsupported("the logistic function is for lists");
        }
        self.push(tensor, to, Op::Logistic, vec![input])
    }

    fn reshape(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let (input, from) = self.plain(operator, 0)?;
        let tensor = operator.output()?;
        if self.model.tensors[tensor].elements() != from.elements() {
            return operator.inconsistent("a new shape should hold as many values");
        }
        self.operands.insert(tensor, Operand::Reshaped(input));
        Ok(())
    }

    /// Only lists are joined: along the first axis that is not 1, which is the same as writing one after
    /// the other.
    fn concatenation(&mut self, operator: &Operator) -> Result<(), ModelError> {
        let tensor = operator.output()?;
        let shape = &self.model.tensors[tensor].shape;
        let axis = operator.number(0, 0)?;
        let outer = usize::try_from(axis).ok().and_then(|axis| shape.get(..axis));
        if outer.is_none_or(|outer| outer.iter().any(|&extent| extent != 1)) || operator.byte(1)? != 0 {
            return operator.unsupported("only lists are joined, end to end");
        }
        let mut inputs = Vec::new();
        for position in 0..operator.inputs.len() {
            match self.operand(operator, position)? {
                Operand::Plain(value) | Operand::Reshaped(value) => inputs.push(value),
                Operand::Widened(_) => return operator.unsupported("it joins a padded tensor"),
            }
        }
        let total = inputs.iter().map(|&value| self.shapes[value].elements()).sum::<usize>();
        if total != self.model.tensors[tensor].elements() || total == 0 {
            return operator.inconsistent("the result does not hold all operands");
        }
        self.push(tensor, list_shape(total), Op::Join, inputs)
    }

    /// A value without gaps between its pixels that holds `tensor`.
    fn dense(&mut self, tensor: usize) -> Result<Value, ModelError> {
        let value = match self.operands.get(&tensor) {
            Some(Operand::Plain(value) | Operand::Reshaped(value)) => *value,
            _ => return Err(ModelError::Damaged { at: 0, what: "the outputs: one is never computed" }),
        };
        let shape = self.shapes[value];
        if shape == list_shape(shape.channels) {
            return Ok(value);
        }
        let joined = self.value(list_shape(shape.elements()))?;
        self.nodes.push(Node { op: Op::Join, inputs: vec![value], output: joined });
        Ok(joined)
    }
}
