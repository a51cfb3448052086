//! A kernel module that never comes back from its start: Debian's own, with a jump to itself in place of its work. So it
//! fits the kernel that it was built for, without a compiler.

use object::endian::Endianness;
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// What a kernel looks for at the end of a module that is signed. One that was changed and says that it is signed isn't
/// loaded; one that says nothing is.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// The call of the tracer with which each function begins; the kernel writes over it.
const TRACED: [u8; 1] = [0xe8];
const TRACED_SIZE: usize = 5;

/// A jump to itself.
const SPIN: [u8; 2] = [0xeb, 0xfe];

/// The module, spinning; none where it isn't one that begins as expected.
pub(super) fn spinning(module: &[u8]) -> Option<Vec<u8>> {
    let mut module = module.strip_suffix(SIGNED).unwrap_or(module).to_vec();
    let start = start(&module)?;
    let place = start + TRACED_SIZE..start + TRACED_SIZE + SPIN.len();
    if !module.get(start..)?.starts_with(&TRACED) {
        return None;
    }
    module.get_mut(place)?.copy_from_slice(&SPIN);
    Some(module)
}

/// Where in the file the function that starts the module begins.
fn start(module: &[u8]) -> Option<usize> {
    let file = ElfFile64::<Endianness>::parse(module).ok()?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok("init_module"))?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    let (begin, _) = section.file_range()?;
    usize::try_from(begin + symbol.address()).ok()
}
