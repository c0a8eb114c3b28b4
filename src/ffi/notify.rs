//! `nbwss_job`, `nbwss_image`: notifications in.

use std::ffi::CStr;

use super::boundary;
use super::connector::nbwss_connector;
use super::handle;
use super::ptr::{self, Growing, Out};
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::connector::Connector;
use crate::error::Error;
use crate::protocol::notification::{Image, Job};
use crate::time::epoch_seconds;

/// What is known of a job. A job is announced when it starts, in whatever state it then is, and when it is
/// `DONE`, failed or not. Names other than those shown pass through. Start from `NBWSS_JOB_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_job {
    /// `sizeof(nbwss_job)`.
    pub struct_size: usize,
    /// `scheduleType`, for example `ST_FULL`. May be empty. Like every text here at most 4096 bytes.
    pub schedule_type: nbwss_str,
    /// `clientName`: the host that is backed up or restored.
    pub client_name: nbwss_str,
    /// `policyName`; empty for a restore.
    pub policy_name: nbwss_str,
    /// `policyType`, for example `VMWARE` or `STANDARD`. May be empty.
    pub policy_type: nbwss_str,
    /// `jobType`, for example `BACKUP` or `RESTORE`.
    pub job_type: nbwss_str,
    /// `state`: `QUEUED`, `ACTIVE` or `DONE`.
    pub state: nbwss_str,
    /// `status`: 0 for success.
    pub status: i64,
    /// `startTime`, in seconds since 1970.
    pub start_time: i64,
    /// `parentJobId`: equal to `job_id` for a top-level job.
    pub parent_job_id: i64,
    /// `jobId`, from 1.
    pub job_id: i64,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_job {}

/// What is known of a backup image. Start from `NBWSS_IMAGE_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_image {
    /// `sizeof(nbwss_image)`.
    pub struct_size: usize,
    /// `clientType`, for example `VMWARE` or `STANDARD`. May be empty. Like every text here at most 4096 bytes.
    pub client_type: nbwss_str,
    /// `clientName`: the host that was backed up.
    pub client_name: nbwss_str,
    /// `operationId`: `CREATE`, `UPDATE`, `DELETE` or `NO_LOCAL_COPY_AVAILABLE`.
    pub operation_id: nbwss_str,
    /// `backupId`: `clientName_backupTime`.
    pub backup_id: nbwss_str,
    /// `backupTime`, in seconds since 1970.
    pub backup_time: i64,
    /// `createdTime`, in seconds since 1970.
    pub created_time: i64,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_image {}

/// Runs a notify export: `sequence` may be NULL.
unsafe fn notify(
    connector: *mut nbwss_connector,
    sequence: *mut u64,
    accept: impl FnOnce(&Connector) -> Result<u64, Error>,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = if sequence.is_null() { None } else { Some(unsafe { Out::new("sequence", sequence) }?) };
        let accepted = accept(&*handle::get(connector)?)?;
        if let Some(out) = out {
            out.set(accepted);
        }
        Ok(())
    })
}

/// As the library has it, with texts of the host's.
///
/// # Safety
/// The texts are readable for `'a`.
unsafe fn job_of<'a>(job: &nbwss_job) -> Result<Job<'a>, Error> {
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Job {
            schedule_type: job.schedule_type.text("scheduleType")?,
            client_name: job.client_name.text("clientName")?,
            status: job.status,
            start_time: job.start_time,
            state: job.state.text("state")?,
            policy_name: job.policy_name.text("policyName")?,
            parent_job_id: job.parent_job_id,
            job_id: job.job_id,
            policy_type: job.policy_type.text("policyType")?,
            job_type: job.job_type.text("jobType")?,
        })
    }
}

/// Accepts a job notification for every server group that has an endpoint (or had one, in an earlier process with the
/// same `outbox.store.path`). Never waits for the network; with a store it waits for the disk, unless
/// `outbox.store.sync` is off, and at a limit as long as `outbox.fullWait` allows.
///
/// After `NBWSS_OK` it is delivered at least once to each of these groups, in the order accepted, or reported
/// as abandoned; `*sequence` (may be NULL) is its number in the delivery reports. Returns
/// `NBWSS_INVALID_NOTIFICATION` (the last error names the field), `NBWSS_NO_ENDPOINT`, `NBWSS_QUEUE_FULL` at
/// `outbox.maxCount` or `outbox.maxBytes`, or `NBWSS_STORE` where it cannot be stored: it is not accepted then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_notify_job(
    connector: *mut nbwss_connector,
    job: *const nbwss_job,
    sequence: *mut u64,
) -> nbwss_status {
    // SAFETY: a place for a number and a struct with readable texts, by the header.
    unsafe { notify(connector, sequence, |connector| connector.notify_job(&job_of(&ptr::read("job", job)?)?)) }
}

/// One step in the life of a job whose struct the host keeps.
unsafe fn step(
    connector: *mut nbwss_connector,
    job: *mut nbwss_job,
    sequence: *mut u64,
    state: &'static CStr,
    status: i64,
) -> nbwss_status {
    // SAFETY: a place for a number and a struct with readable texts, by the header.
    unsafe {
        notify(connector, sequence, |connector| {
            let mut now = ptr::read("job", job)?;
            now.state = nbwss_str::literal(state);
            now.status = status;
            if now.start_time == 0 {
                now.start_time = epoch_seconds();
            }
            if now.parent_job_id == 0 {
                now.parent_job_id = now.job_id;
            }
            let accepted = connector.notify_job(&job_of(&now)?)?;
            job.write(now);
            Ok(accepted)
        })
    }
}

/// Tells that a job waits. The simple way to tell the life of a job: keep one `nbwss_job` from its beginning to its end,
/// fill in what it is, and give it to `nbwss_job_queued`, `nbwss_job_active` and `nbwss_job_done`, those that apply.
/// They fill in `state`, `status`, `start_time` (now, unless it is set) and `parent_job_id` (`job_id`, unless it is set).
///
/// Otherwise as `nbwss_notify_job`. Unless this returns `NBWSS_OK`, `*job` is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_job_queued(
    connector: *mut nbwss_connector,
    job: *mut nbwss_job,
    sequence: *mut u64,
) -> nbwss_status {
    // SAFETY: by the header.
    unsafe { step(connector, job, sequence, c"QUEUED", 0) }
}

/// Tells that a job runs. Otherwise as `nbwss_job_queued`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_job_active(
    connector: *mut nbwss_connector,
    job: *mut nbwss_job,
    sequence: *mut u64,
) -> nbwss_status {
    // SAFETY: by the header.
    unsafe { step(connector, job, sequence, c"ACTIVE", 0) }
}

/// Tells that a job has ended, with this status: 0 for success. Otherwise as `nbwss_job_queued`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_job_done(
    connector: *mut nbwss_connector,
    job: *mut nbwss_job,
    status: i64,
    sequence: *mut u64,
) -> nbwss_status {
    // SAFETY: by the header.
    unsafe { step(connector, job, sequence, c"DONE", status) }
}

/// Accepts an image notification. Otherwise as `nbwss_notify_job`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_notify_image(
    connector: *mut nbwss_connector,
    image: *const nbwss_image,
    sequence: *mut u64,
) -> nbwss_status {
    // SAFETY: a place for a number and a struct with readable texts, by the header.
    unsafe {
        notify(connector, sequence, |connector| {
            let image = ptr::read("image", image)?;
            connector.notify_image(&Image {
                client_type: image.client_type.text("clientType")?,
                client_name: image.client_name.text("clientName")?,
                backup_time: image.backup_time,
                created_time: image.created_time,
                operation_id: image.operation_id.text("operationId")?,
                backup_id: image.backup_id.text("backupId")?,
            })
        })
    }
}

/// Accepts a notification in JSON, for fields that this header does not know: an object with
/// `notificationType` and `object` (texts) and `data` (an array of at least one object). It is sent as it is.
/// Otherwise as `nbwss_notify_job`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_notify_json_n(
    connector: *mut nbwss_connector,
    notification: nbwss_str,
    sequence: *mut u64,
) -> nbwss_status {
    // SAFETY: a place for a number and readable text, by the header.
    unsafe { notify(connector, sequence, |connector| connector.notify_json(notification.text("notification")?)) }
}
