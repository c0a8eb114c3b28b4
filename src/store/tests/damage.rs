//! Files that a failing disk, a cut short copy or another program left: each opens with all that was in it, or is
//! refused and left as it is.

use std::fs::OpenOptions;

use super::*;
use crate::store::backend::HEADER_BYTES;

/// Opens a file with these bytes. Gives its values, or the refusal after which the file was as before.
fn try_bytes(path: &Path, bytes: &[u8]) -> Result<Vec<(String, u64)>, String> {
    // The same file each time: it is this user's alone already.
    OpenOptions::new().write(true).truncate(true).open(path).unwrap().write_all(bytes).unwrap();
    match open(path) {
        Ok(store) => Ok(values(&store)),
        Err(Error::Store { why, source, .. }) => {
            assert!(why.contains("nothing in it was changed") && source.is_some(), "{why}");
            assert!(fs::read(path).unwrap() == bytes, "the file was changed");
            Err(crate::error::with_causes(source.unwrap().as_ref()))
        }
        Err(error) => panic!("{error}"),
    }
}

/// A database of some pages, and what it holds.
fn database(scratch: &Scratch) -> (Vec<u8>, Vec<(String, u64)>) {
    let path = scratch.file("db");
    let store = open(&path).unwrap();
    for number in 0..60 {
        put(&store, &format!("{number:0300}"), number).unwrap();
    }
    let all = values(&store);
    drop(store);
    (fs::read(&path).unwrap(), all)
}

#[test]
fn a_damaged_file_opens_whole_or_is_refused() {
    let scratch = Scratch::new();
    let (good, all) = database(&scratch);
    let path = scratch.file("db");
    assert_eq!(try_bytes(&path, &good).as_ref(), Ok(&all));
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..1000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = good.clone();
        let start = random.usize(HEADER_BYTES..good.len());
        let some = |random: &mut fastrand::Rng| (start + random.usize(1..5000)).min(good.len());
        match random.u8(0..4) {
            0 => bytes[start] ^= 1 << random.u8(0..8),
            1 => bytes.truncate(start),
            2 => bytes[start..some(&mut random)].fill(0),
            _ => bytes[start..some(&mut random)].fill_with(|| random.u8(..)),
        }
        match try_bytes(&path, &bytes) {
            Ok(found) => {
                assert!(found == all, "seed {seed} opened with {} values", found.len());
                opened += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(opened > 100 && refused > 100, "{opened} opened, {refused} refused");
}

#[test]
fn a_damaged_header_opens_whole_or_is_refused() {
    let scratch = Scratch::new();
    let (good, all) = database(&scratch);
    let path = scratch.file("db");
    // All of what describes the file, and some of the two states, which have checksums.
    for bit in (0..32 * 8).chain((32 * 8..HEADER_BYTES * 8).step_by(7)) {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match try_bytes(&path, &bytes) {
            // The bit that says which of two good states is the newer one is alone without a checksum.
            Ok(found) if bit == 9 * 8 => assert!(all.starts_with(&found)),
            Ok(found) => assert!(found == all, "bit {bit} opened with {} values", found.len()),
            Err(_) => {}
        }
    }
    for len in 0..HEADER_BYTES {
        match try_bytes(&path, &good[..len]) {
            Ok(found) => assert!(len == 0 && found.is_empty()),
            Err(_) => assert_ne!(len, 0),
        }
    }
}

/// redb's file after each step of making it.
#[test]
fn a_file_whose_making_was_cut_short_is_made_anew() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    drop(open(&path).unwrap());
    let made = fs::read(&path).unwrap();
    let zeros = vec![0; made.len()];
    let mut without_magic = zeros.clone();
    without_magic[9..HEADER_BYTES].copy_from_slice(&made[9..HEADER_BYTES]);
    for bytes in [vec![], zeros, without_magic.clone()] {
        assert_eq!(try_bytes(&path, &bytes), Ok(vec![]));
        assert_eq!(values(&open(&path).unwrap()), []);
    }
    // Another's, or one that had something in it.
    *without_magic.last_mut().unwrap() = 1;
    for bytes in [without_magic, b"#!/bin/sh\n".to_vec(), vec![b'x'; 10_000]] {
        try_bytes(&path, &bytes).unwrap_err();
    }
}

#[test]
fn a_rehearsal_reads_as_the_file_would() {
    let scratch = Scratch::new();
    let path = scratch.file("file");
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut model: Vec<u8> = (0..random.usize(10..20_000)).map(|_| random.u8(..)).collect();
        let original = model.clone();
        fs::write(&path, &model).unwrap();
        let file =
            redb::backends::FileBackend::new(OpenOptions::new().read(true).write(true).open(&path).unwrap()).unwrap();
        let rehearsal = Rehearsal::of(Arc::new(file)).unwrap();
        model[9] |= 2;
        for _ in 0..50 {
            let start = random.usize(0..=model.len());
            let end = random.usize(start..=model.len());
            match random.u8(0..4) {
                0 => {
                    let len = random.usize(0..30_000);
                    model.resize(len, 0);
                    rehearsal.set_len(len as u64).unwrap();
                }
                1 => {
                    model[start..end].fill_with(|| random.u8(..));
                    rehearsal.write(start as u64, &model[start..end]).unwrap();
                }
                _ => {
                    let mut out = vec![0; end - start];
                    rehearsal.read(start as u64, &mut out).unwrap();
                    assert!(out == model[start..end], "seed {seed}");
                    assert!(rehearsal.read(start as u64, &mut vec![0; model.len() - start + 1]).is_err());
                }
            }
            assert_eq!(rehearsal.len().unwrap(), model.len() as u64, "seed {seed}");
        }
        assert!(fs::read(&path).unwrap() == original, "seed {seed}");
    }
}
