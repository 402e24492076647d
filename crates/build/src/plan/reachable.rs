//! Which stages and images the result needs: others are not built.

use std::collections::BTreeSet;

use cofferdam_image::Platform;

use super::arguments::Globals;
use super::{PlanError, PlanOptions, WantedImage};
use crate::dockerfile::{Dockerfile, Instruction, Problem, Stage};

/// The numbers of the stages that the target needs, in order, the target with them.
pub(super) fn stages(
    file: &Dockerfile,
    target: usize,
    globals: &Globals,
) -> Result<BTreeSet<usize>, PlanError> {
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if !needed.insert(index) {
            continue;
        }
        let Some(stage) = file.stages.get(index) else { continue };
        let image = globals.expand(&stage.from.image, stage.from.line)?;
        // A stage can begin only with an earlier one: its own name means an image.
        open.extend(file.stage(&image, index).filter(|_| !is_number(&image)));
        for (line, word) in uses(stage) {
            if let Some(other) = file.stage(&word, file.stages.len()) {
                if other >= index {
                    let rule = format!("--from={word}: that stage comes later, or is this one");
                    return Err(Problem::BadArguments { instruction: "COPY", rule }.at(line).into());
                }
                open.push(other);
            }
        }
    }
    Ok(needed)
}

pub(super) fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// What `--from` and `from=` name in a stage.
fn uses(stage: &Stage) -> impl Iterator<Item = (usize, String)> {
    stage.instructions.iter().flat_map(|located| {
        let words: Vec<String> = match &located.instruction {
            Instruction::Copy(copy) => copy.from.iter().cloned().collect(),
            Instruction::Run(run) => run.mounts.iter().filter_map(|mount| mount.from.clone()).collect(),
            _ => Vec::new(),
        };
        words.into_iter().map(|word| (located.line, word))
    })
}

/// An image that a build needs: the line that names it, which, and whether a stage begins with it.
pub type ExternalImage = (usize, WantedImage, bool);

/// The images that a build needs, so that they can be made ready before it.
///
/// # Errors
/// A variable in a name cannot be replaced, or there is no such target.
pub fn external_images(file: &Dockerfile, options: &PlanOptions) -> Result<Vec<ExternalImage>, PlanError> {
    let globals = Globals::new(file, options)?;
    let target = file.target(options.target.as_deref()).map_err(|problem| problem.at(1))?;
    let mut images: Vec<ExternalImage> = Vec::new();
    let mut add = |line, name: String, platform: Platform, base| {
        let image = WantedImage { name, platform };
        match images.iter_mut().find(|(_, known, _)| *known == image) {
            Some((_, _, is_base)) => *is_base |= base,
            None => images.push((line, image, base)),
        }
    };
    for index in stages(file, target, &globals)? {
        let Some(stage) = file.stages.get(index) else { continue };
        let image = globals.expand(&stage.from.image, stage.from.line)?;
        let is_stage = file.stage(&image, index).is_some() && !is_number(&image);
        if image != "scratch" && !is_stage {
            add(stage.from.line, image, globals.platform_of(&stage.from)?, true);
        }
        for (line, word) in uses(stage) {
            if file.stage(&word, file.stages.len()).is_none() {
                add(line, word, globals.platform.clone(), false);
            }
        }
    }
    Ok(images)
}
