/// @file
/// What the host tells cloud applications: jobs and images. Texts are read during the call that notifies.

#ifndef NBWSS_NOTIFICATIONS_HPP
#define NBWSS_NOTIFICATIONS_HPP

#include <nbwss.h>

#include <cstdint>
#include <string_view>

#include "detail.hpp"

namespace nbwss {

/// What is known of a job. A job is announced when it starts, in whatever state it then is, and when it is `DONE`,
/// failed or not. Names other than those shown pass through.
struct Job {
  std::string_view schedule_type = {};  ///< For example `ST_FULL`. May be empty. Every text: at most 4096 bytes.
  std::string_view client_name = {};    ///< The host that is backed up or restored.
  std::string_view policy_name = {};    ///< Empty for a restore.
  std::string_view policy_type = {};    ///< For example `VMWARE` or `STANDARD`. May be empty.
  std::string_view job_type = {};       ///< For example `BACKUP` or `RESTORE`.
  std::string_view state = {};          ///< `QUEUED`, `ACTIVE` or `DONE`.
  std::int64_t status = 0;              ///< 0 for success.
  std::int64_t start_time = 0;          ///< Seconds since 1970.
  std::int64_t parent_job_id = 0;       ///< Equal to `job_id` for a top-level job.
  std::int64_t job_id = 0;              ///< From 1.
};

/// What is known of a backup image.
struct Image {
  std::string_view client_type = {};  ///< For example `VMWARE`. May be empty. Every text: at most 4096 bytes.
  std::string_view client_name = {};  ///< The host that was backed up.
  std::string_view operation_id = {}; ///< `CREATE`, `UPDATE`, `DELETE` or `NO_LOCAL_COPY_AVAILABLE`.
  std::string_view backup_id = {};    ///< `clientName_backupTime`.
  std::int64_t backup_time = 0;       ///< Seconds since 1970.
  std::int64_t created_time = 0;      ///< Seconds since 1970.
};

/// @cond internal
namespace detail {

inline nbwss_job to_c(const Job &job) noexcept {
  return {sizeof(nbwss_job),    str(job.schedule_type), str(job.client_name), str(job.policy_name),
          str(job.policy_type), str(job.job_type),      str(job.state),       job.status,
          job.start_time,       job.parent_job_id,      job.job_id};
}

inline nbwss_image to_c(const Image &image) noexcept {
  return {sizeof(nbwss_image),     str(image.client_type), str(image.client_name),
          str(image.operation_id), str(image.backup_id),   image.backup_time,
          image.created_time};
}

} // namespace detail
/// @endcond

} // namespace nbwss

#endif
