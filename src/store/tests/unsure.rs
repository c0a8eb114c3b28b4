//! A disk that fails to sync and a system that forgets it.

use super::*;
use crate::store::durable::Durable;

/// What is written is in memory until a sync brings it to the disk. One that fails brings nothing there, and the next
/// does not try again: so does Linux.
#[derive(Debug, Clone, Default)]
struct Forgetful(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    memory: Vec<u8>,
    disk: Vec<u8>,
    dirty: Vec<(usize, usize)>,
    fails: bool,
}

impl Forgetful {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn fails(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// The file after a loss of power.
    fn after_power_loss(&self) -> Forgetful {
        let state = self.state();
        let (memory, disk) = (state.disk.clone(), state.disk.clone());
        Forgetful(Arc::new(Mutex::new(State { memory, disk, ..State::default() })))
    }
}

impl StorageBackend for Forgetful {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().memory.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(self.state().memory.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state().memory.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        let state = &mut *state;
        let dirty = std::mem::take(&mut state.dirty);
        if state.fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        state.disk.resize(state.memory.len(), 0);
        for (start, end) in dirty {
            state.disk[start..end].copy_from_slice(&state.memory[start..end]);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let mut state = self.state();
        let end = start + data.len();
        let len = state.memory.len().max(end);
        state.memory.resize(len, 0);
        state.memory[start..end].copy_from_slice(data);
        state.dirty.push((start, end));
        Ok(())
    }
}

fn store_on(disk: &Forgetful) -> Store {
    let file = Arc::new(Durable::new(disk.clone()));
    Store { path: "disk".into(), kind: "values", format: 1, file, database: Mutex::new(None) }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_written_again() {
    for two_phases in [false, true] {
        let disk = Forgetful::default();
        let store = store_on(&disk);
        // Each is in another page than the one before.
        let key = |number: u64| format!("{:0300}", number * 37 % 100);
        let put = |number: u64| {
            let work = |transaction: &WriteTransaction| {
                transaction.open_table(VALUES)?.insert(key(number).as_str(), number)?;
                Ok(())
            };
            if two_phases { store.write(work) } else { store.append(work) }
        };
        let mut kept = Vec::new();
        for number in 0..100 {
            disk.fails(number % 7 == 3);
            if put(number).is_err() {
                continue;
            }
            kept.push(number);
            let after = values(&store_on(&disk.after_power_loss()));
            for number in &kept {
                assert!(after.contains(&(key(*number), *number)), "{number} is lost");
            }
        }
        assert!(kept.len() > 80, "{kept:?}");
    }
}
