//! Loss of power: of what was written, only that is sure to be there which a later sync has covered.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::strace::{self, Step};
use crate::support::Scratch;
use crate::{Promises, contents, writer};

/// Points at which the power goes, for each way to lose it.
const POINTS: usize = 150;

#[derive(Clone, Copy)]
enum Loss {
    /// Nothing since the last sync has reached the disk.
    All,
    /// Any half of it has, and of some writes only some sectors.
    Half,
}

const SECTOR: u64 = 512;

/// A write that was under way when the power went: what comes before or after the border of some sector.
fn torn(random: &mut fastrand::Rng, step: &Step) -> Step {
    let Step::Write(offset, bytes) = step else { return step.clone() };
    let border = random.u64(*offset..*offset + bytes.len() as u64) / SECTOR * SECTOR;
    let (before, after) = bytes.split_at(border.saturating_sub(*offset) as usize);
    if random.bool() { Step::Write(*offset, before.to_vec()) } else { Step::Write(border.max(*offset), after.to_vec()) }
}

fn apply(image: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write(offset, bytes) => {
            let (start, end) = (*offset as usize, *offset as usize + bytes.len());
            image.resize(image.len().max(end), 0);
            image[start..end].copy_from_slice(bytes);
        }
        Step::SetLen(len) => image.resize(*len as usize, 0),
        Step::Sync | Step::Say(_) => {}
    }
}

#[test]
fn what_was_accepted_survives_the_loss_of_power_at_300_points() {
    let scratch = Scratch::new("power");
    let (file, trace) = (scratch.join("outbox.db"), scratch.join("trace"));
    let mut program = writer();
    program.arg("rooms").arg(&file).arg("7");
    let calls = "trace=openat,write,pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync,msync";
    let flags = ["-xx", "-s", "10000000", "-o", trace.to_str().expect("UTF-8"), "-e", calls];
    let mut child = strace::command(&program, &flags).stdout(Stdio::piped()).spawn().expect("strace (make deps)");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.take(400).count(), 400);
    // Its program ends when nobody listens.
    child.kill().expect("it lives");
    child.wait().expect("its end");

    let steps = strace::read(&trace, &file);
    let syncs = steps.iter().filter(|step| matches!(step, Step::Sync)).count();
    assert!(syncs > 50, "{syncs} syncs: the trace was not understood");
    let mut random = fastrand::Rng::with_seed(300);
    for loss in [Loss::All, Loss::Half] {
        let mut points: Vec<usize> = (0..POINTS).map(|_| random.usize(0..=steps.len())).collect();
        points.sort_unstable();
        let (mut image, mut unsure) = (Vec::new(), Vec::new());
        let mut promises = Promises::default();
        let mut at = 0;
        for point in points {
            for step in &steps[at..point] {
                match step {
                    Step::Sync => unsure.drain(..).for_each(|step| apply(&mut image, step)),
                    Step::Say(line) => promises.hear(line),
                    step => unsure.push(step),
                }
            }
            at = point;
            let mut image = image.clone();
            if let Loss::Half = loss {
                for step in &unsure {
                    match random.u8(0..8) {
                        0..3 => {}
                        3..7 => apply(&mut image, step),
                        _ => apply(&mut image, &torn(&mut random, step)),
                    }
                }
            }
            let file = scratch.join("after.db");
            std::fs::write(&file, &image).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("permissions");
            promises.check(&contents(&file));
        }
        assert!(promises.accepted.len() > 100, "{}", promises.accepted.len());
    }
}
