//! Inner activations shown to whoever asks: how a test compares each step with the released networks.

use std::fmt::{Arguments, Display};

use super::room;

/// Takes the name of a place and its numbers.
type Listener<'a> = dyn FnMut(&str, &[f32]) + 'a;

/// A view into a running network. A normal run takes [`Probe::off`], which costs nothing.
///
/// Places are named as in PyTorch's state dicts, part by part: `block0.attn_out`.
#[derive(Default)]
pub struct Probe<'a> {
    see: Option<&'a mut Listener<'a>>,
    prefix: String,
}

impl<'a> Probe<'a> {
    /// Shows nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// Calls `see` with the name of each place and its numbers, row-major.
    pub fn on(see: &'a mut dyn FnMut(&str, &[f32])) -> Self {
        Self { see: Some(see), prefix: String::new() }
    }

    /// The probe of the part `name`: its places are called `name.…`.
    pub fn part(&mut self, name: impl Display) -> Probe<'_> {
        match &mut self.see {
            Some(see) => Probe { see: Some(&mut **see), prefix: format!("{}{name}.", self.prefix) },
            None => Probe::off(),
        }
    }

    /// Whether anyone looks: for numbers that only a probe needs.
    pub fn is_on(&self) -> bool {
        self.see.is_some()
    }

    /// Shows the `width` numbers of each row of a list whose rows lie [`room`] apart.
    pub fn see_rows(&mut self, name: Arguments<'_>, rows: &[f32], width: usize) {
        if self.is_on() {
            let rows = rows.chunks_exact(room(width)).flat_map(|row| &row[..width]);
            self.see(name, &rows.copied().collect::<Vec<f32>>());
        }
    }

    /// Shows the numbers of the place `name`; `probe.see(format_args!("block{i}"), &x)`.
    pub fn see(&mut self, name: Arguments<'_>, numbers: &[f32]) {
        if let Some(see) = &mut self.see {
            see(&format!("{}{name}", self.prefix), numbers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(mut probe: Probe) {
        for i in 0..2 {
            probe.part(format_args!("block{i}")).see(format_args!("out"), &[i as f32]);
        }
        probe.see(format_args!("features"), &[2.0]);
    }

    #[test]
    fn every_place_is_shown_under_its_full_name() {
        let mut seen = Vec::new();
        let mut see = |name: &str, numbers: &[f32]| seen.push((name.to_owned(), numbers.to_vec()));
        network(Probe::on(&mut see).part("vit"));
        network(Probe::off());
        let names = ["vit.block0.out", "vit.block1.out", "vit.features"];
        assert!(seen.iter().map(|(name, _)| name.as_str()).eq(names));
        assert!(seen.iter().map(|(_, numbers)| numbers[0]).eq([0.0, 1.0, 2.0]));
    }
}
