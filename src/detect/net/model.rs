//! A TensorFlow Lite file as plain tables: tensors with shapes, constants on request, operators in order.
//!
//! Field numbers are those of TensorFlow Lite's published schema (`schema.fbs`, version 3).

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::error::ModelError;
use super::flatbuffer::Table;

/// Most operators, tensors and list entries that a file may have.
const MAX_OPERATORS: usize = 4096;
const MAX_TENSORS: usize = 8192;
const MAX_DIMENSIONS: usize = 5;
const MAX_OPERANDS: usize = 32;
/// Most values in one tensor.
const MAX_ELEMENTS: usize = 1 << 24;

/// How a tensor's constant values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ElementType {
    F32,
    F16,
    I32,
    Other,
}

/// A tensor of the file.
pub(super) struct Tensor<'a> {
    /// Its extent, outermost first.
    pub shape: Vec<usize>,
    kind: ElementType,
    /// Little-endian constant values; empty for tensors that are computed.
    data: &'a [u8],
}

/// An operator of the file.
pub(super) struct Operator<'a> {
    /// Place in the file, for messages.
    pub index: usize,
    /// TensorFlow Lite's number of its kind.
    pub code: i32,
    /// Tensors read; `None` for an operand left out.
    pub inputs: Vec<Option<usize>>,
    /// Tensors written.
    pub outputs: Vec<usize>,
    options: Option<Table<'a>>,
}

/// The one graph of the file.
pub(super) struct Model<'a> {
    /// All tensors.
    pub tensors: Vec<Tensor<'a>>,
    /// All operators in the order in which they run.
    pub operators: Vec<Operator<'a>>,
    /// Tensors given from outside.
    pub inputs: Vec<usize>,
    /// Tensors handed out.
    pub outputs: Vec<usize>,
}

impl Operator<'_> {
    /// A byte option, 0 where absent.
    pub fn byte(&self, field: usize) -> Result<i8, ModelError> {
        self.options.map_or(Ok(0), |table| table.i8(field))
    }

    /// A number option.
    pub fn number(&self, field: usize, default: i32) -> Result<i32, ModelError> {
        self.options.map_or(Ok(default), |table| table.i32(field, default))
    }

    /// An operand that must be there.
    pub fn input(&self, position: usize) -> Result<usize, ModelError> {
        match self.inputs.get(position) {
            Some(&Some(tensor)) => Ok(tensor),
            _ => self.inconsistent("an operand is missing"),
        }
    }

    /// The only result.
    pub fn output(&self) -> Result<usize, ModelError> {
        match self.outputs[..] {
            [tensor] => Ok(tensor),
            _ => self.inconsistent("it should have one result"),
        }
    }

    /// The error for an operator that contradicts its tensors.
    pub fn inconsistent<T>(&self, why: &'static str) -> Result<T, ModelError> {
        Err(ModelError::Inconsistent { operator: self.index, why })
    }

    /// The error for an operator outside this runner's range.
    pub fn unsupported<T>(&self, why: &'static str) -> Result<T, ModelError> {
        Err(ModelError::Unsupported { operator: self.index, code: self.code, why })
    }
}

impl Tensor<'_> {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the file gives its values.
    pub fn is_constant(&self) -> bool {
        !self.data.is_empty()
    }

    /// The values as floats, expanded from 16 bits where stored so; `None` where they are not floats or do
    /// not fill the shape.
    pub fn floats(&self) -> Option<Vec<f32>> {
        match self.kind {
            ElementType::F32 => Some(self.words()?.map(f32::from_le_bytes).collect()),
            ElementType::F16 => {
                let halves: Vec<f16> = self.words()?.map(f16::from_le_bytes).collect();
                let mut values = vec![0.0; halves.len()];
                halves.convert_to_f32_slice(&mut values);
                Some(values)
            }
            _ => None,
        }
    }

    /// The values as whole numbers.
    pub fn integers(&self) -> Option<Vec<i32>> {
        match self.kind {
            ElementType::I32 => Some(self.words::<4>()?.map(i32::from_le_bytes).collect()),
            _ => None,
        }
    }

    /// The stored words, if there are exactly as many as the shape says.
    fn words<const N: usize>(&self) -> Option<impl Iterator<Item = [u8; N]> + '_> {
        let (words, rest) = self.data.as_chunks::<N>();
        (rest.is_empty() && words.len() == self.elements()).then(|| words.iter().copied())
    }
}

/// A list of tensor numbers, each below `count`; −1 stands for "left out".
fn tensor_list(list: &[i32], count: usize) -> Result<Vec<Option<usize>>, ModelError> {
    let parse = |&number: &i32| match usize::try_from(number) {
        Ok(tensor) if tensor < count => Ok(Some(tensor)),
        Err(_) if number == -1 => Ok(None),
        _ => Err(ModelError::Damaged { at: 0, what: "a tensor number" }),
    };
    list.iter().map(parse).collect()
}

/// As [`tensor_list`], where nothing may be left out.
fn full_tensor_list(list: &[i32], count: usize) -> Result<Vec<usize>, ModelError> {
    let missing = ModelError::Damaged { at: 0, what: "a tensor number" };
    tensor_list(list, count)?.into_iter().map(|tensor| tensor.ok_or(missing.clone())).collect()
}

impl<'a> Model<'a> {
    /// Reads the tables of a file. Nothing is computed and no constant is copied.
    pub fn parse(file: &'a [u8]) -> Result<Self, ModelError> {
        if file.get(4..8) != Some(b"TFL3") {
            return Err(ModelError::NotTflite);
        }
        let root = Table::root(file)?;
        let codes = root.tables(1, MAX_OPERATORS, "operator kinds")?;
        // Files older than schema 3a have the number only in the byte field 0.
        let code = |table: &Table| Ok(table.i32(3, 0)?.max(table.i8(0)?.into()));
        let codes = codes.iter().map(code).collect::<Result<Vec<i32>, ModelError>>()?;
        let buffers = root.tables(4, MAX_TENSORS, "buffers")?;
        // Also those that nothing here reads: a file that lacks its end is not to be trusted.
        for buffer in &buffers {
            buffer.byte_list(0, "constant values")?;
        }
        let graphs = root.tables(2, 1, "graphs")?;
        let Some(graph) = graphs.first() else {
            return Err(ModelError::Damaged { at: 0, what: "the graph" });
        };

        let tables = graph.tables(0, MAX_TENSORS, "tensors")?;
        let tensors: Vec<Tensor> =
            tables.iter().map(|table| Self::tensor(table, &buffers)).collect::<Result<_, _>>()?;
        let count = tensors.len();
        let tables = graph.tables(3, MAX_OPERATORS, "operators")?;
        let operator = |(index, table): (usize, &Table<'a>)| Self::operator(index, table, &codes, count);
        let operators = tables.iter().enumerate().map(operator).collect::<Result<_, _>>()?;
        let inputs = full_tensor_list(&graph.i32_list(1, MAX_OPERANDS, "inputs")?, count)?;
        let outputs = full_tensor_list(&graph.i32_list(2, MAX_OPERANDS, "outputs")?, count)?;
        Ok(Self { tensors, operators, inputs, outputs })
    }

    fn tensor(table: &Table<'a>, buffers: &[Table<'a>]) -> Result<Tensor<'a>, ModelError> {
        let mut elements = 1usize;
        let mut shape = Vec::new();
        for extent in table.i32_list(0, MAX_DIMENSIONS, "dimensions")? {
            let Some(extent) = usize::try_from(extent).ok().filter(|&extent| extent > 0) else {
                return Err(ModelError::Damaged { at: 0, what: "the extent of a tensor" });
            };
            elements = elements.saturating_mul(extent);
            shape.push(extent);
        }
        if elements > MAX_ELEMENTS {
            let what = "values in a tensor";
            return Err(ModelError::TooLarge { what, wanted: elements, limit: MAX_ELEMENTS });
        }
        let kind = match table.i8(1)? {
            0 => ElementType::F32,
            1 => ElementType::F16,
            2 => ElementType::I32,
            _ => ElementType::Other,
        };
        let number = table.i32(2, 0)?;
        let Some(buffer) = usize::try_from(number).ok().and_then(|number| buffers.get(number)) else {
            return Err(ModelError::Damaged { at: 0, what: "the buffer of a tensor" });
        };
        Ok(Tensor { shape, kind, data: buffer.byte_list(0, "constant values")? })
    }

    fn operator(
        index: usize,
        table: &Table<'a>,
        codes: &[i32],
        tensors: usize,
    ) -> Result<Operator<'a>, ModelError> {
        let kind = usize::try_from(table.i32(0, 0)?).ok().and_then(|kind| codes.get(kind));
        let Some(&code) = kind else {
            return Err(ModelError::Damaged { at: 0, what: "the kind of an operator" });
        };
        let inputs = tensor_list(&table.i32_list(1, MAX_OPERANDS, "operands")?, tensors)?;
        let outputs = full_tensor_list(&table.i32_list(2, MAX_OPERANDS, "results")?, tensors)?;
        Ok(Operator { index, code, inputs, outputs, options: table.table(4)? })
    }
}
