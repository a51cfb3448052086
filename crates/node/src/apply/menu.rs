//! The step that makes the boot menu anew. The generator writes beside the menu; what it wrote is read as the boot loader
//! would read it in the menu's place, and takes that place only if it boots what it should.

use kernmend_core::boot::reading::of_files;
use kernmend_core::document::Digest;
use kernmend_core::document::journal::Pass;
use kernmend_core::document::plan::Expected;

use super::prove::View;
use super::{Halt, Runner, ended, file, prove};
use crate::machine::{Machine, Program};
use crate::store::MAX_KEPT;

/// The permissions of a menu where there was none: it can hold the hash of a password.
const MODE: u32 = 0o600;

pub(super) fn act<M: Machine>(
    run: &mut Runner<'_, M>,
    step: usize,
    generator: &[String],
    menu: &str,
    (boots, view): (&Expected, View),
) -> Result<(), Halt> {
    let current = run.current(menu)?;
    let digest = current.as_ref().map(|(digest, _)| digest.clone());
    let change = match file::change(run, step) {
        Some(change) => {
            if digest != change.before && !change.after.contains(&digest) {
                return Err(Halt::Step(file::changed(menu, change.before.as_ref(), digest.as_ref())));
            }
            change
        }
        None => file::keep(run, menu, MODE)?,
    };
    run.starts(step, Pass::Act, Some(change.undo(None)))?;
    let text = generate(run, generator, menu)?;
    judge(run, menu, &text, view, boots).map_err(Halt::Step)?;
    let wanted = Digest::of(text.as_bytes());
    // What is put in place is known only now, and has to be known on the way back.
    run.starts(step, Pass::Act, Some(change.undo(Some(&wanted))))?;
    file::put(run.apply.machine, menu, Some(text.as_bytes()), change.mode)?;
    remove_new(run, menu)?;
    file::is_there(run, menu, Some(&wanted))
}

pub(super) fn undo<M: Machine>(run: &mut Runner<'_, M>, step: usize, menu: &str) -> Result<(), Halt> {
    remove_new(run, menu)?;
    file::undo(run, step, menu)
}

/// Where the generator writes: GRUB's own writes there through one more file.
fn new(menu: &str) -> [String; 2] {
    [format!("{menu}.kernmend-new"), format!("{menu}.kernmend-new.new")]
}

fn remove_new<M: Machine>(run: &mut Runner<'_, M>, menu: &str) -> Result<(), Halt> {
    new(menu).iter().try_for_each(|path| Ok(run.apply.machine.remove(path)?))
}

fn generate<M: Machine>(run: &mut Runner<'_, M>, generator: &[String], menu: &str) -> Result<String, Halt> {
    remove_new(run, menu)?;
    let [output, _] = new(menu);
    let program = Program::Menu { generator: generator.to_vec(), output: output.clone() };
    let said = run.apply.machine.run(&program, run.apply.options.generator)?;
    if said.code != Some(0) {
        return Err(Halt::Step(ended(&program, &said)));
    }
    let bytes = run.apply.machine.read(&output, MAX_KEPT)?;
    let bytes = bytes.ok_or_else(|| Halt::Step(format!("`{}` wrote no menu", program.name())))?;
    String::from_utf8(bytes).map_err(|_| Halt::Step(format!("`{}` wrote no text", program.name())))
}

/// Whether this text, in the place of the menu, boots what it should.
fn judge<M: Machine>(
    run: &Runner<'_, M>,
    menu: &str,
    text: &str,
    view: View,
    boots: &Expected,
) -> Result<(), String> {
    let mut files = view.files(run)?;
    match &mut files.configuration {
        Some((path, live)) if path == menu => text.clone_into(live),
        Some((path, _)) => return Err(format!("the boot loader reads `{path}` and not `{menu}`")),
        None => files.configuration = Some((menu.to_owned(), text.to_owned())),
    }
    prove::boots(&of_files(&files), boots).map_err(|why| format!("by the new menu {why}"))
}

/// The end of what a program said.
pub(super) fn last(text: &str, max: usize) -> &str {
    let text = text.trim();
    let start = text.len().saturating_sub(max);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[start..]
}
