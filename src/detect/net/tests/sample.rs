//! A small network with every operator that the runner knows, as a file.

use super::writer::{Field, Table, file};

/// Tensors, buffers and operators of a file in the making.
#[derive(Default)]
pub struct Sample {
    tensors: Vec<Table>,
    buffers: Vec<Table>,
    operators: Vec<Table>,
    codes: Vec<i32>,
    outputs: Vec<i32>,
    seed: u32,
}

impl Sample {
    fn tensor(&mut self, shape: &[i32], kind: i8, data: Vec<u8>) -> i32 {
        self.buffers.push(vec![(0, Field::Bytes(data))]);
        let buffer = self.buffers.len() as i32 - 1;
        self.tensors.push(vec![
            (0, Field::Numbers(shape.to_vec())),
            (1, Field::Byte(kind)),
            (2, Field::Number(buffer)),
        ]);
        self.tensors.len() as i32 - 1
    }

    /// Seeded numbers around zero.
    fn weights(&mut self, shape: &[i32]) -> i32 {
        let count = shape.iter().product::<i32>();
        let mut data = Vec::new();
        for _ in 0..count {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            data.extend(((self.seed >> 8) as f32 / (1 << 24) as f32 - 0.5).to_le_bytes());
        }
        self.tensor(shape, 0, data)
    }

    /// Zeros stored in 16 bits, and the operator that expands them.
    fn half_weights(&mut self, shape: &[i32]) -> i32 {
        let count = shape.iter().product::<i32>() as usize;
        let stored = self.tensor(shape, 1, vec![0; 2 * count]);
        self.operator(6, &[stored], shape, vec![])
    }

    fn operator(&mut self, code: i32, inputs: &[i32], shape: &[i32], options: Table) -> i32 {
        let output = self.tensor(shape, 0, Vec::new());
        let known = self.codes.iter().position(|&known| known == code);
        let kind = known.unwrap_or_else(|| {
            self.codes.push(code);
            self.codes.len() - 1
        });
        self.operators.push(vec![
            (0, Field::Number(kind as i32)),
            (1, Field::Numbers(inputs.to_vec())),
            (2, Field::Numbers(vec![output])),
            (4, Field::Table(options)),
        ]);
        output
    }

    fn conv(&mut self, input: i32, from: i32, kernel: i32, stride: i32, to: [i32; 3], activation: i8) -> i32 {
        let weights = self.weights(&[to[2], kernel, kernel, from]);
        let bias = self.weights(&[to[2]]);
        let options =
            vec![(1, Field::Number(stride)), (2, Field::Number(stride)), (3, Field::Byte(activation))];
        self.operator(3, &[input, weights, bias], &[1, to[0], to[1], to[2]], options)
    }

    fn depthwise(&mut self, input: i32, kernel: i32, stride: i32, to: [i32; 3]) -> i32 {
        let weights = self.weights(&[1, kernel, kernel, to[2]]);
        let bias = self.half_weights(&[to[2]]);
        let options = vec![(1, Field::Number(stride)), (2, Field::Number(stride))];
        self.operator(4, &[input, weights, bias], &[1, to[0], to[1], to[2]], options)
    }

    fn prelu(&mut self, input: i32, shape: [i32; 3]) -> i32 {
        let slopes = self.weights(&[1, 1, shape[2]]);
        self.operator(54, &[input, slopes], &[1, shape[0], shape[1], shape[2]], vec![])
    }

    fn integers(&mut self, values: &[i32]) -> i32 {
        self.tensor(&[values.len() as i32], 2, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// The file.
    pub fn finish(self, input: i32) -> Vec<u8> {
        let codes = self.codes.iter().map(|&code| vec![(3, Field::Number(code))]).collect();
        let graph = vec![
            (0, Field::Tables(self.tensors)),
            (1, Field::Numbers(vec![input])),
            (2, Field::Numbers(self.outputs)),
            (3, Field::Tables(self.operators)),
        ];
        file(vec![
            (0, Field::Number(3)),
            (1, Field::Tables(codes)),
            (2, Field::Tables(vec![graph])),
            (4, Field::Tables(self.buffers)),
        ])
    }
}

/// A network of 26x26 pixels with odd channel counts, residuals of both kinds and four outputs.
pub fn sample() -> Vec<u8> {
    let mut net = Sample { seed: 1, ..Sample::default() };
    let input = net.tensor(&[1, 26, 26, 3], 0, Vec::new());
    let stem = net.conv(input, 3, 5, 2, [13, 13, 20], 3);
    let wide = net.depthwise(stem, 3, 1, [13, 13, 20]);
    let wide = net.conv(wide, 20, 1, 1, [13, 13, 20], 0);
    let sum = net.operator(0, &[stem, wide], &[1, 13, 13, 20], vec![]);
    let stem = net.prelu(sum, [13, 13, 20]);
    let half = net.conv(stem, 20, 3, 1, [13, 13, 16], 1);
    let seven = net.depthwise(half, 5, 2, [7, 7, 16]);
    let seven = net.conv(seven, 16, 1, 1, [7, 7, 70], 3);
    let three = net.depthwise(seven, 3, 2, [4, 4, 70]);
    let four = net.conv(three, 70, 1, 1, [4, 4, 16], 0);
    let pooled =
        net.operator(17, &[four], &[1, 2, 2, 16], (1..=4).map(|field| (field, Field::Number(2))).collect());
    let two = net.depthwise(four, 5, 2, [2, 2, 16]);
    let two = net.conv(two, 16, 1, 1, [2, 2, 40], 0);
    let amounts = net.integers(&[0, 0, 0, 0, 0, 0, 0, 24]);
    let widened = net.operator(34, &[pooled, amounts], &[1, 2, 2, 40], vec![]);
    let sum = net.operator(0, &[widened, two], &[1, 2, 2, 40], vec![]);
    let two = net.prelu(sum, [2, 2, 40]);
    let doubled = net.operator(23, &[two], &[1, 4, 4, 40], vec![(3, Field::Byte(1))]);
    let head = net.conv(doubled, 40, 1, 1, [4, 4, 70], 0);
    let head = net.prelu(head, [4, 4, 70]);
    let head = net.operator(0, &[three, head], &[1, 4, 4, 70], vec![]);
    let first = net.operator(22, &[head], &[1, 112, 10], vec![]);
    let second = net.operator(22, &[two], &[1, 16, 10], vec![]);
    let boxes = net.operator(2, &[first, second], &[1, 128, 10], vec![(0, Field::Number(1))]);
    let axes = net.integers(&[1, 2]);
    let mean = net.operator(40, &[head, axes], &[1, 70], vec![]);
    let (weights, bias) = (net.weights(&[5, 70]), net.weights(&[5]));
    let scores = net.operator(9, &[mean, weights, bias], &[1, 5], vec![]);
    let chances = net.operator(14, &[scores], &[1, 5], vec![]);
    net.outputs = vec![boxes, scores, chances, seven];
    net.finish(input)
}
