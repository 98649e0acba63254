//! Times the networks on request; `bench/networks.py` drives it beside LiteRT.
//!
//! Each line of the input is `MODEL_FILE RUNS`; the answer is one line with the milliseconds of each run.
//! The optional argument names an instruction set: `portable`, `avx2`, `avx512` or `neon`.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context, bail};
use handstream::detect::net::{Isa, Network};

fn main() -> anyhow::Result<()> {
    // `cargo bench` appends `--bench`.
    let isa = match std::env::args().skip(1).find(|argument| !argument.starts_with("--")).as_deref() {
        None => Isa::best(),
        Some("portable") => Isa::Portable,
        Some("avx2") => Isa::Avx2,
        Some("avx512") => Isa::Avx512,
        Some("neon") => Isa::Neon,
        Some(other) => bail!("no instruction set is called {other}; use portable, avx2, avx512 or neon"),
    };
    let mut networks = HashMap::new();
    for line in std::io::stdin().lines() {
        let line = line?;
        let (path, runs) = line.rsplit_once(' ').context("each line should be MODEL_FILE RUNS")?;
        if !networks.contains_key(path) {
            let mut network = Network::with_isa(&std::fs::read(path).context(path.to_owned())?, isa)?;
            fill(network.input_mut());
            networks.insert(path.to_owned(), network);
        }
        let network = networks.get_mut(path).context("the network was just loaded")?;
        let times: Vec<String> = (0..runs.parse::<usize>()?)
            .map(|_| {
                let start = Instant::now();
                network.run();
                format!("{:.4}", start.elapsed().as_secs_f64() * 1e3)
            })
            .collect();
        println!("{}", times.join(" "));
    }
    Ok(())
}

/// A picture with values all over 0..1: times of these networks do not depend on the picture.
fn fill(input: &mut [f32]) {
    for (index, value) in input.iter_mut().enumerate() {
        *value = (index * 97 % 256) as f32 / 255.0;
    }
}
