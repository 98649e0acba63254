//! `handstream gpu`: what an NVIDIA card needs, and its kernels compiled ahead.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use handstream::gpu::{CudaBackend, GpuError, KernelCache, Nvrtc, catalogue};
use handstream::home::DataFolder;

/// What kernels are compiled for where there is no card: an H100 or H200.
const HOPPER: &str = "sm_90";

#[derive(Args)]
pub(super) struct GpuArgs {
    #[command(subcommand)]
    command: GpuCommand,
}

#[derive(Subcommand)]
enum GpuCommand {
    /// Say which card, driver and libraries are there, and what is missing.
    Info,
    /// Compile all kernels and keep them, so that the first start on the card need not wait; needs no card.
    Compile(CompileArgs),
}

#[derive(Args)]
struct CompileArgs {
    /// The cards to compile for, for example sm_80, sm_89, sm_90; default: the card that is there, else sm_90.
    #[arg(long, value_name = "NAME", value_parser = architecture)]
    arch: Option<String>,
    /// Keep the machine code in this folder, below `kernels`, in place of the data folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl GpuArgs {
    /// Does what is asked for.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        match self.command {
            GpuCommand::Info => info(),
            GpuCommand::Compile(args) => args.run(),
        }
    }
}

fn info() -> Result<()> {
    let compiler = Nvrtc::get().map(Nvrtc::version);
    match &compiler {
        Ok(version) => println!("compiler  libnvrtc {version}"),
        Err(reason) => println!("compiler  {reason}"),
    }
    match open() {
        Ok(card) => {
            let info = card.info();
            let (driver, gigabytes) = (info.driver, info.memory as f64 / f64::from(1 << 30));
            println!("driver    CUDA {}.{}", driver.0, driver.1);
            println!(
                "card      {} ({}, {} processors, {gigabytes:.0} GiB)",
                info.name,
                info.architecture(),
                info.processors
            );
            println!("products  libcublasLt is there");
        }
        Err(reason) => println!("card      {reason}"),
    }
    Ok(())
}

fn open() -> Result<CudaBackend, GpuError> {
    let nowhere = || DataFolder::at(std::env::temp_dir());
    CudaBackend::open(0, KernelCache::of(&DataFolder::locate().unwrap_or_else(|_| nowhere())))
}

impl CompileArgs {
    fn run(self) -> Result<()> {
        let nvrtc = Nvrtc::get()?;
        let card = || open().map_or_else(|_| HOPPER.to_owned(), |card| card.info().architecture());
        let target = self.arch.unwrap_or_else(card);
        let folder = self.out.map_or_else(DataFolder::locate, |folder| Ok(DataFolder::at(folder)))?;
        let cache = KernelCache::of(&folder);
        println!("Compiled for {target} by libnvrtc {}.\n", nvrtc.version());
        println!(
            "| kernel | numbers | sizes | threads | registers | spilled bytes | stack bytes | shared bytes | code bytes |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        let mut spilled = Vec::new();
        for kernel in catalogue() {
            let compiled = nvrtc.compile(&kernel, &target)?;
            cache.keep(&kernel, &target, &compiled.cubin)?;
            let used = compiled.resources;
            let sizes: Vec<String> =
                kernel.sizes.iter().map(|(name, size)| format!("{name} {size}")).collect();
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                kernel.name,
                kernel.precision.name(),
                sizes.join(", "),
                kernel.threads,
                used.registers,
                used.spilled,
                used.stack,
                kernel.shared_bytes,
                compiled.cubin.len(),
            );
            if used.spilled > 0 {
                spilled.push(kernel.name);
            }
        }
        if !spilled.is_empty() {
            bail!("{} spill registers on {target}: they run, but slower than they could", spilled.join(", "));
        }
        Ok(())
    }
}

fn architecture(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sm_").map(|rest| rest.trim_end_matches(['a', 'f']));
    match digits.and_then(|digits| digits.parse::<u32>().ok()) {
        Some(80..) => Ok(text.to_owned()),
        Some(_) => Err(format!("{text} is too old: the kernels need sm_80 or newer")),
        None => Err(format!("{text} is no card's architecture: write for example sm_90")),
    }
}
