//! NVIDIA's run-time compiler: kernels to machine code for a card. It needs no card itself.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;

use super::error::GpuError;
use super::kernel::Kernel;

/// Names the library, or the folder in which it and NVIDIA's other libraries lie.
pub const LIBRARY_VARIABLE: &str = "HANDSTREAM_CUDA_LIBRARIES";
/// The compiler's file names, the newest first.
const NAMES: [&str; 4] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "nvrtc64_130_0.dll"];
/// Where CUDA is usually installed.
const FOLDERS: [&str; 3] = ["/usr/local/cuda/lib64", "/opt/cuda/lib64", "/usr/lib/x86_64-linux-gnu"];

/// What compiled kernels are: registers, bytes that did not fit into them, and machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Machine code for one kind of card.
    pub cubin: Vec<u8>,
    /// What the assembler says of the kernel.
    pub resources: Resources,
}

/// What a thread of a kernel needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// 32-bit registers.
    pub registers: usize,
    /// Bytes of registers that had to be put into memory.
    pub spilled: usize,
    /// Bytes of its stack.
    pub stack: usize,
}

type Program = *mut c_void;

/// The compiler, loaded.
pub struct Nvrtc {
    library: Library,
    version: [c_int; 2],
}

/// A program that is destroyed when it is no longer needed.
struct Guarded<'a> {
    nvrtc: &'a Nvrtc,
    program: Program,
}

impl Nvrtc {
    /// Finds and loads the compiler, once in a run.
    ///
    /// # Errors
    /// [`GpuError::Missing`].
    pub fn get() -> Result<&'static Self, GpuError> {
        static LOADED: OnceLock<Option<Nvrtc>> = OnceLock::new();
        LOADED.get_or_init(Self::load).as_ref().ok_or(GpuError::Missing {
            what: "NVIDIA's run-time compiler (libnvrtc)",
            remedy: "install CUDA 12 or 13, or `pip install nvidia-cuda-nvrtc` and set HANDSTREAM_CUDA_LIBRARIES to \
                     the folder that holds it",
        })
    }

    fn load() -> Option<Self> {
        // SAFETY: NVIDIA's library runs nothing of ours when it is loaded.
        let load = |path: PathBuf| unsafe { Library::new(path) }.ok();
        let library = library_places(&NAMES).into_iter().find_map(load)?;
        let mut version = [0; 2];
        // SAFETY: the function has this type in every version of the library.
        let known = unsafe {
            let ask =
                library.get::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(c"nvrtcVersion").ok()?;
            let [major, minor] = &mut version;
            ask(major, minor)
        };
        (known == 0).then_some(Self { library, version })
    }

    /// Its version.
    pub fn version(&self) -> String {
        let [major, minor] = self.version;
        format!("{major}.{minor}")
    }

    /// Compiles a kernel for an architecture such as `sm_90`.
    ///
    /// # Errors
    /// [`GpuError::Compile`] with what the compiler said.
    pub fn compile(&self, kernel: &Kernel, architecture: &str) -> Result<Compiled, GpuError> {
        let failed = |log: String| GpuError::Compile {
            file: kernel.source.file(),
            target: architecture.to_owned(),
            log,
        };
        let text = |text: String| CString::new(text).map_err(|error| failed(error.to_string()));
        let source = text(kernel.source.text())?;
        let name = text(kernel.source.file().to_owned())?;
        let mut program: Program = ptr::null_mut();
        // SAFETY: all pointers are valid for the call, and there are no headers.
        unsafe {
            type Create = unsafe extern "C" fn(
                *mut Program,
                *const c_char,
                *const c_char,
                c_int,
                *const *const c_char,
                *const *const c_char,
            ) -> c_int;
            let create = self.function::<Create>(c"nvrtcCreateProgram").map_err(failed)?;
            let code = create(&raw mut program, source.as_ptr(), name.as_ptr(), 0, ptr::null(), ptr::null());
            self.check(code).map_err(failed)?;
        }
        let program = Guarded { nvrtc: self, program };
        let options = options(kernel, architecture).into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program lives, and the options live until the call returns.
        let code = unsafe {
            type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
            let compile = self.function::<Compile>(c"nvrtcCompileProgram").map_err(failed)?;
            compile(program.program, pointers.len() as c_int, pointers.as_ptr())
        };
        let log = program.bytes(c"nvrtcGetProgramLogSize", c"nvrtcGetProgramLog").map_err(failed)?;
        let log = String::from_utf8_lossy(&log).trim_end_matches(['\0', '\n']).to_owned();
        self.check(code).map_err(|_| failed(log.clone()))?;
        let cubin = program.bytes(c"nvrtcGetCUBINSize", c"nvrtcGetCUBIN").map_err(failed)?;
        Ok(Compiled { cubin, resources: Resources::of_log(&log, kernel.name) })
    }

    /// # Safety
    /// The library's function of this name has this type.
    unsafe fn function<T: Copy>(&self, name: &CStr) -> Result<T, String> {
        // SAFETY: the caller's condition.
        unsafe { self.library.get::<T>(name) }.map(|function| *function).map_err(|error| error.to_string())
    }

    fn check(&self, code: c_int) -> Result<(), String> {
        if code == 0 { Ok(()) } else { Err(format!("the compiler failed with code {code}")) }
    }
}

impl Guarded<'_> {
    /// What two functions, one for the size and one for the bytes, say of the program.
    fn bytes(&self, size: &CStr, bytes: &CStr) -> Result<Vec<u8>, String> {
        let mut count = 0_usize;
        // SAFETY: both functions have these types, and the list has as many bytes as the first one says.
        unsafe {
            let ask = self.nvrtc.function::<unsafe extern "C" fn(Program, *mut usize) -> c_int>(size)?;
            self.nvrtc.check(ask(self.program, &raw mut count))?;
            let mut out = vec![0_u8; count];
            let take = self.nvrtc.function::<unsafe extern "C" fn(Program, *mut u8) -> c_int>(bytes)?;
            self.nvrtc.check(take(self.program, out.as_mut_ptr()))?;
            Ok(out)
        }
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        // SAFETY: the program was made by this library and is not used any more.
        unsafe {
            type Destroy = unsafe extern "C" fn(*mut Program) -> c_int;
            if let Ok(destroy) = self.nvrtc.function::<Destroy>(c"nvrtcDestroyProgram") {
                destroy(&raw mut self.program);
            }
        }
    }
}

/// What the compiler is told.
pub(super) fn options(kernel: &Kernel, architecture: &str) -> Vec<String> {
    let fixed = ["--std=c++17", "--ptxas-options=-v"].map(str::to_owned);
    let target = format!("--gpu-architecture={architecture}");
    let definitions = kernel.definitions().into_iter().map(|definition| format!("-D{definition}"));
    std::iter::once(target).chain(fixed).chain(definitions).collect()
}

/// Where a library of NVIDIA's may lie, the user's word first, the system's own search last.
pub(super) fn library_places(names: &[&str]) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(own) = std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from) {
        let file = own.file_name().and_then(|file| file.to_str());
        if file.is_some_and(|file| names.contains(&file)) {
            places.push(own);
        } else {
            places.extend(names.iter().map(|name| own.join(name)));
        }
    }
    places.extend(names.iter().map(PathBuf::from));
    places.extend(FOLDERS.iter().flat_map(|folder| names.iter().map(|name| Path::new(folder).join(name))));
    places
}

impl Resources {
    /// Reads them off what the assembler printed.
    fn of_log(log: &str, kernel: &str) -> Self {
        let own =
            log.split("Compiling entry function ").find(|part| part.starts_with(&format!("'{kernel}'")));
        let own = own.unwrap_or_default();
        let before = |what: &str| {
            let (front, _) = own.split_once(what)?;
            front.split(|c: char| !c.is_ascii_digit()).rfind(|word| !word.is_empty())?.parse().ok()
        };
        Self {
            registers: before(" registers").unwrap_or(0),
            spilled: before(" bytes spill stores").unwrap_or(0),
            stack: before(" bytes stack frame").unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::catalogue;

    #[test]
    fn the_assemblers_words_are_read() {
        let log = "ptxas info    : 48 bytes gmem\n\
                   ptxas info    : Compiling entry function 'cut' for 'sm_90'\n\
                   ptxas         .     8 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads\n\
                   ptxas info    : Used 14 registers, used 0 barriers\n\
                   ptxas info    : Compiling entry function 'crop' for 'sm_90'\n\
                   ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n\
                   ptxas info    : Used 32 registers, used 0 barriers";
        assert_eq!(Resources::of_log(log, "cut"), Resources { registers: 14, spilled: 12, stack: 8 });
        assert_eq!(Resources::of_log(log, "crop"), Resources { registers: 32, spilled: 0, stack: 0 });
        assert_eq!(Resources::of_log("", "crop"), Resources::default());
    }

    #[test]
    fn every_kernel_becomes_machine_code_without_spilling() {
        let nvrtc = match Nvrtc::get() {
            Ok(nvrtc) => nvrtc,
            Err(reason) => return println!("skipped: {reason}"),
        };
        for kernel in catalogue() {
            for architecture in ["sm_80", "sm_90"] {
                let compiled = nvrtc.compile(&kernel, architecture).unwrap_or_else(|error| panic!("{error}"));
                let Resources { registers, spilled, stack } = compiled.resources;
                assert!(compiled.cubin.starts_with(b"\x7fELF"), "{}", kernel.name);
                let fits = registers > 0 && registers * kernel.threads as usize <= 65_536;
                assert!(
                    fits && spilled == 0 && stack == 0,
                    "{} {architecture}: {:?}",
                    kernel.name,
                    compiled.resources
                );
            }
        }
    }

    #[test]
    fn a_faulty_kernel_is_a_sentence_with_the_compilers_words() {
        let Ok(nvrtc) = Nvrtc::get() else { return println!("skipped: there is no libnvrtc") };
        let mut kernel = catalogue().remove(0);
        kernel.sizes = vec![("WIDTH", 0), ("HEAD", 3)];
        kernel.sizes.push(("TOKENS", 7));
        let said = nvrtc.compile(&kernel, "sm_1").unwrap_err().to_string();
        assert!(said.contains(kernel.source.file()) && said.contains("sm_1"), "{said}");
    }
}
