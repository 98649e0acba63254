//! The order in which rows are computed, chosen so that they are still in the cache when they are read.
//!
//! Neighbouring nodes form groups whose weights fit the cache together. Inside a group the work goes by
//! bands of rows: a band of the group's last node asks for just the rows that it reads, and so on up. Values that
//! stay inside a group keep only the rows still needed, in a ring.

use std::ops::Range;

use super::graph::{Graph, Node, Op, Value};

/// How the work is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduleConfig {
    /// Most bytes of weights that one group reads again and again.
    pub group_weights: usize,
    /// Fewest pixels that one step computes, where the picture has as many.
    pub step_pixels: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { group_weights: 256 << 10, step_pixels: 48 }
    }
}

/// Rows of one node to be computed in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Index of the node.
    pub node: usize,
    /// Output rows.
    pub rows: Range<usize>,
}

/// The order of all work, and what has to be kept.
pub(super) struct Schedule {
    /// All steps in order.
    pub steps: Vec<Step>,
    /// For each value, how many rows must be kept at once.
    pub rows_kept: Vec<usize>,
    /// For each value, the first and last step that touch it; `None` where it is never touched.
    pub lifetimes: Vec<Option<(usize, usize)>>,
}

/// Orders the work of a graph; `weights` gives the bytes that each node reads at every step.
pub(super) fn schedule(graph: &Graph, weights: &[usize], config: ScheduleConfig) -> Schedule {
    let mut builder = Builder {
        graph,
        config,
        producer: vec![None; graph.shapes.len()],
        done: vec![0; graph.nodes.len()],
        steps: Vec::new(),
    };
    let groups = groups(graph, weights, config.group_weights);
    for group in &groups {
        for node in group.clone() {
            builder.producer[graph.nodes[node].output] = Some(node);
        }
        for node in group.clone().rev() {
            builder.demand(node, graph.shapes[graph.nodes[node].output].height, group);
        }
    }
    let steps = builder.steps;
    let rows_kept = rows_kept(graph, &groups, &steps);
    let mut lifetimes: Vec<Option<(usize, usize)>> = vec![None; graph.shapes.len()];
    for (at, step) in steps.iter().enumerate() {
        let node = &graph.nodes[step.node];
        for value in node.reads().chain([node.output]) {
            let lifetime = lifetimes[value].get_or_insert((at, at));
            lifetime.1 = at;
        }
    }
    Schedule { steps, rows_kept, lifetimes }
}

/// Cuts the list of nodes where the weights would outgrow the cache and around whole-picture operators.
fn groups(graph: &Graph, weights: &[usize], limit: usize) -> Vec<Range<usize>> {
    let whole = |node: &Node| matches!(node.op, Op::Mean | Op::Logistic | Op::Join);
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (at, node) in graph.nodes.iter().enumerate() {
        sum += weights[at];
        let cut = at == 0 || sum > limit || whole(node) || whole(&graph.nodes[at - 1]);
        match groups.last_mut() {
            Some(group) if !cut => group.end = at + 1,
            _ => {
                groups.push(at..at + 1);
                sum = weights[at];
            }
        }
    }
    groups
}

struct Builder<'a> {
    graph: &'a Graph,
    config: ScheduleConfig,
    /// Node that computes each value, as far as groups were begun.
    producer: Vec<Option<usize>>,
    /// Rows of each node ordered so far.
    done: Vec<usize>,
    steps: Vec<Step>,
}

impl Builder<'_> {
    /// Orders rows of `node` up to `end`, and before them whatever they read.
    fn demand(&mut self, node: usize, end: usize, group: &Range<usize>) {
        let shape = self.graph.shapes[self.graph.nodes[node].output];
        let band = self.config.step_pixels.div_ceil(shape.width);
        while self.done[node] < end {
            let rows = self.done[node]..(self.done[node] + band).min(shape.height);
            let reads: Vec<Value> = self.graph.nodes[node].reads().collect();
            for (position, value) in reads.into_iter().enumerate() {
                let Some(producer) = self.producer[value].filter(|producer| group.contains(producer)) else {
                    continue;
                };
                let height = self.graph.shapes[value].height;
                let needed = self.graph.nodes[node].rows_read(position, &rows, height);
                self.demand(producer, needed.end, group);
            }
            self.done[node] = rows.end;
            self.steps.push(Step { node, rows });
        }
    }
}

/// Rows of each value that are alive at once: all of those that leave their group, else from the lowest
/// row still read to the highest written.
fn rows_kept(graph: &Graph, groups: &[Range<usize>], steps: &[Step]) -> Vec<usize> {
    let mut home: Vec<Option<&Range<usize>>> = vec![None; graph.shapes.len()];
    for group in groups {
        for node in group.clone() {
            home[graph.nodes[node].output] = Some(group);
        }
    }
    let mut kept = vec![0; graph.shapes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        for value in node.reads() {
            if !home[value].is_some_and(|group| group.contains(&at)) {
                kept[value] = graph.shapes[value].height;
            }
        }
    }
    for &output in &graph.outputs {
        kept[output] = graph.shapes[output].height;
    }
    let mut written = vec![0; graph.shapes.len()];
    for step in steps {
        let node = &graph.nodes[step.node];
        written[node.output] = step.rows.end;
        kept[node.output] = kept[node.output].max(step.rows.len());
        for (position, value) in node.reads().enumerate() {
            let height = graph.shapes[value].height;
            let first = node.rows_read(position, &step.rows, height).start;
            kept[value] = kept[value].max(written[value].saturating_sub(first));
        }
    }
    kept
}
