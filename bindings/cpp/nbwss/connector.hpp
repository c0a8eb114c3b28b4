/// @file
/// Sessions to cloud applications, and everything that goes over them.

#ifndef NBWSS_CONNECTOR_HPP
#define NBWSS_CONNECTOR_HPP

#include <nbwss.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "detail.hpp"
#include "endpoints.hpp"
#include "inspection.hpp"
#include "notifications.hpp"
#include "options.hpp"
#include "result.hpp"

namespace nbwss {

/// Sessions to cloud applications, and everything that goes over them. A member is the C function with its name behind
/// `nbwss_` or `nbwss_connector_`.
///
/// Life: create, add endpoints, start; and at the end drain, stop, wait, destroy, of which the destructor does the
/// last. Any thread may call any member, but moving, `destroy` and the destructor need the object alone. Members that
/// wait for the network or for others fail at once with `NBWSS_ILLEGAL_STATE` in a callback. When it was moved from or
/// destroyed, members fail with `NBWSS_INVALID_ARGUMENT`.
class Connector {
public:
  /// Takes over a handle of the C interface; without one it is empty.
  explicit Connector(nbwss_connector *connector = nullptr) noexcept : handle_(connector) {}

  /// Makes a connector, which is not started: it takes endpoints and notifications and dials nobody.
  ///
  /// Fails with `NBWSS_IO` or `NBWSS_TLS` where a file of the settings `tls.*` cannot be used, an `NBWSS_STORE...`
  /// status for a database, and `NBWSS_INVALID_VALUE` for settings that do not go together.
  static Result<Connector> create(const Options &options) {
    nbwss_connector *c = nullptr;
    return {nbwss_connector_new(options.get(), &c), Connector(c)};
  }

  /// The handle, which stays this object's.
  nbwss_connector *get() const noexcept { return handle_.get(); }

  /// @name Life
  /// @{

  /// Starts dialling: a session for every server group. Does not wait; idempotent; possible again after `stop`.
  Result<void> start() { return nbwss_connector_start(get()); }

  /// Ends all sessions with a close frame and dials no more. Does not wait; idempotent. Notifications stay.
  Result<void> stop() { return nbwss_connector_stop(get()); }

  /// Waits until every accepted notification is acknowledged (or given up) and reported. Fails with `NBWSS_TIMEOUT`.
  /// `drained`, unless null, is filled in for both.
  Result<void> drain(std::chrono::milliseconds timeout, nbwss_drained *drained = nullptr) {
    if (drained != nullptr) *drained = NBWSS_DRAINED_INIT;
    return nbwss_connector_drain(get(), detail::milliseconds(timeout), drained);
  }

  /// After `stop`: waits until every session has ended. Fails with `NBWSS_TIMEOUT`.
  Result<void> wait(std::chrono::milliseconds timeout) {
    return nbwss_connector_wait(get(), detail::milliseconds(timeout));
  }

  /// Ends everything, within the setting `shutdown.timeout`. When it is done no callback runs or will run, and this
  /// object is empty.
  ///
  /// Fails with `NBWSS_TIMEOUT` where a callback, or the disk of a database, has not returned: call it again before
  /// what callbacks have captured by reference goes away. Fails with `NBWSS_ILLEGAL_STATE` in a callback.
  ///
  /// The destructor does the same, but has nobody to tell: after such a failure it leaves the connector behind, in a
  /// callback even at work. Where callbacks use this object, do not leave the end to it.
  Result<void> destroy() {
    Result<void> result = nbwss_connector_destroy(get());
    if (result) (void)handle_.release();
    return result;
  }

  /// @}
  /// @name In an event loop
  /// With the setting `callbacks.poll`; otherwise these fail with `NBWSS_ILLEGAL_STATE`. `drain`, `wait`, `destroy` and
  /// the destructor run callbacks then, too.
  /// @{

  /// Runs the callbacks that wait, on this thread, after at most this time for the first. The value is how many ran;
  /// after some 1000 the others are left for the next time. Fails with `NBWSS_ILLEGAL_STATE` in a callback.
  Result<std::size_t> poll(std::chrono::milliseconds timeout) {
    std::size_t ran = 0;
    return {nbwss_connector_poll(get(), detail::milliseconds(timeout), &ran), ran};
  }

  /// The descriptor that is readable while callbacks wait for `poll`. It stays the connector's.
  Result<nbwss_socket> poll_fd() const {
    nbwss_socket fd = -1;
    return {nbwss_connector_poll_fd(get(), &fd), fd};
  }

  /// @}
  /// @name Looking
  /// @{

  /// Totals since the connector was made. Never waits.
  Result<nbwss_stats> stats() const {
    nbwss_stats stats = NBWSS_STATS_INIT;
    return {nbwss_connector_stats(get(), &stats), stats};
  }

  /// How the server groups are connected. Never waits for the network.
  Result<nbwss_health> health() const {
    nbwss_health health = NBWSS_HEALTH_INIT;
    return {nbwss_connector_health(get(), &health), health};
  }

  /// What waits for a server group, and what became of the rest. Never waits. Fails with `NBWSS_NOT_FOUND`.
  Result<nbwss_group_counts> group_stats(std::string_view group_id) const {
    nbwss_group_counts counts = NBWSS_GROUP_COUNTS_INIT;
    return {nbwss_group_stats_n(get(), detail::str(group_id), &counts), counts};
  }

  /// All endpoints as they are now, ordered by host name.
  Result<Endpoints> endpoint_list() const {
    nbwss_endpoints *c = nullptr;
    return {nbwss_endpoint_list(get(), &c), Endpoints(c)};
  }

  /// One endpoint as it is now: a list of one. Fails with `NBWSS_NOT_FOUND`.
  Result<Endpoints> endpoint_get(std::string_view host_name) const {
    nbwss_endpoints *c = nullptr;
    return {nbwss_endpoint_get_n(get(), detail::str(host_name), &c), Endpoints(c)};
  }

  /// @}
  /// @name Policy and server groups
  /// @{

  /// Replaces the rules for REST calls, from the next call on: see `nbwss_connector_set_policy`. Fails with
  /// `NBWSS_INVALID_VALUE`; the message names the rule, and the policy is as it was.
  Result<void> set_policy(std::string_view rules) { return nbwss_connector_set_policy_n(get(), detail::str(rules)); }

  /// Starts a server group that was stopped on its own. Fails with `NBWSS_NOT_FOUND`.
  Result<void> group_start(std::string_view group_id) { return nbwss_group_start_n(get(), detail::str(group_id)); }

  /// Stops one server group; the others go on, its notifications stay. Fails with `NBWSS_NOT_FOUND`.
  Result<void> group_stop(std::string_view group_id) { return nbwss_group_stop_n(get(), detail::str(group_id)); }

  /// Gives up, with reports, what waits for a server group that has no endpoint and will have none. Fails with
  /// `NBWSS_NOT_FOUND`, or `NBWSS_ILLEGAL_STATE` while the group has an endpoint.
  Result<void> group_forget(std::string_view group_id) { return nbwss_group_forget_n(get(), detail::str(group_id)); }

  /// @}
  /// @name Endpoints
  /// With the setting `endpoint.store.path`, a change is on the disk when its function returns. Functions that name an
  /// endpoint, by host name and compared without case, fail with `NBWSS_NOT_FOUND` or `NBWSS_STORE`.
  /// @{

  /// Adds an endpoint, activated. Fails with an `NBWSS_ENDPOINT_...` status (the message names the field),
  /// `NBWSS_DUPLICATE_ENDPOINT`, `NBWSS_IO` or `NBWSS_TLS` for a file of the choice for TLS, or `NBWSS_STORE`.
  Result<void> endpoint_add(const Endpoint &endpoint) {
    const detail::TlsArgument tls(endpoint.tls);
    const nbwss_endpoint c = detail::to_c(endpoint, tls.get());
    return nbwss_endpoint_add(get(), &c);
  }

  /// Adds the endpoint, or all endpoints of the array, in a JSON text. All or nothing. Fails as `endpoint_add`.
  Result<void> endpoint_add_json(std::string_view json) {
    return nbwss_endpoint_add_json_n(get(), detail::str(json));
  }

  /// As `endpoint_add_json`, from a file. Fails in addition with `NBWSS_IO`.
  Result<void> endpoint_add_file(std::string_view path) {
    return nbwss_endpoint_add_file_n(get(), detail::str(path));
  }

  /// As `endpoint_add_json`, from an `https://` URL. Waits for the network. Fails in addition with
  /// `NBWSS_FETCH_FAILED`.
  Result<void> endpoint_add_url(std::string_view url) { return nbwss_endpoint_add_url_n(get(), detail::str(url)); }

  /// Fetches a list as `endpoint_add_url` does, without adding anything.
  Result<Endpoints> endpoints_fetch(std::string_view url) {
    nbwss_endpoints *c = nullptr;
    return {nbwss_endpoints_fetch_n(get(), detail::str(url), &c), Endpoints(c)};
  }

  /// Adds all endpoints of a list or none, each with this choice for TLS. Fails as `endpoint_add`.
  Result<void> endpoints_add(const Endpoints &endpoints, const std::optional<Tls> &tls = {}) {
    return nbwss_endpoints_add(get(), endpoints.get(), detail::TlsArgument(tls).get());
  }

  /// Removes an endpoint and closes its session. With the last endpoint of a server group go the group's notifications.
  Result<void> endpoint_remove(std::string_view host_name) {
    return nbwss_endpoint_remove_n(get(), detail::str(host_name));
  }

  /// Activates an endpoint that was deactivated.
  Result<void> endpoint_activate(std::string_view host_name) {
    return nbwss_endpoint_activate_n(get(), detail::str(host_name));
  }

  /// Deactivates an endpoint: its session is closed, and it is not tried. Its group's notifications stay.
  Result<void> endpoint_deactivate(std::string_view host_name) {
    return nbwss_endpoint_deactivate_n(get(), detail::str(host_name));
  }

  /// Reconnects now: ends the session of the endpoint's server group, forgets pauses and refusals, and dials anew.
  Result<void> endpoint_reconnect(std::string_view host_name) {
    return nbwss_endpoint_reconnect_n(get(), detail::str(host_name));
  }

  /// Gives an endpoint a new token and dials it anew. Fails in addition with an `NBWSS_ENDPOINT_...` status.
  Result<void> endpoint_set_token(std::string_view host_name, std::string_view token) {
    return nbwss_endpoint_set_token_n(get(), detail::str(host_name), detail::str(token));
  }

  /// Gives an endpoint another choice for TLS (none: the settings `tls.*`) and dials it anew.
  Result<void> endpoint_set_tls(std::string_view host_name, const std::optional<Tls> &tls) {
    return nbwss_endpoint_set_tls_n(get(), detail::str(host_name), detail::TlsArgument(tls).get());
  }

  /// Gives an endpoint another priority. Fails in addition with `NBWSS_ENDPOINT_BAD_PRIORITY`.
  Result<void> endpoint_set_priority(std::string_view host_name, std::int32_t priority) {
    return nbwss_endpoint_set_priority_n(get(), detail::str(host_name), priority);
  }

  /// Validates an endpoint before it is added: dials it and shows its certificates, judged by this choice for TLS. An
  /// endpoint that cannot be reached is no failure: the steps tell. Waits for the network.
  ///
  /// Fails with an `NBWSS_ENDPOINT_...` status for the URL.
  Result<Inspection> endpoint_validate(std::string_view url, const std::optional<Tls> &tls = {}) {
    nbwss_inspection *c = nullptr;
    return {nbwss_endpoint_validate_n(get(), detail::str(url), detail::TlsArgument(tls).get(), &c), Inspection(c)};
  }

  /// Diagnoses an added endpoint: the same walk, and then the real one; with `connect` the token is sent, too.
  Result<Inspection> endpoint_diagnose(std::string_view host_name, bool connect) {
    nbwss_inspection *c = nullptr;
    return {nbwss_endpoint_diagnose_n(get(), detail::str(host_name), connect, &c), Inspection(c)};
  }

  /// @}
  /// @name Notifications
  /// The value is the sequence number in the delivery reports. Never wait for the network; with `outbox.store.path`
  /// they wait for the disk. Fail with `NBWSS_INVALID_NOTIFICATION` (the message names the field), `NBWSS_NO_ENDPOINT`,
  /// `NBWSS_QUEUE_FULL` or `NBWSS_STORE`.
  /// @{

  /// Accepts a job notification for every server group.
  Result<std::uint64_t> notify_job(const Job &job) {
    const nbwss_job c = detail::to_c(job);
    std::uint64_t sequence = 0;
    return {nbwss_notify_job(get(), &c, &sequence), sequence};
  }

  /// Tells that a job waits. The simple way to tell the life of a job: keep one `Job`, fill in what it is, and give it
  /// to `job_queued`, `job_active` and `job_done`, those that apply. They fill in `state`, `status`, `start_time` (now,
  /// unless it is set) and `parent_job_id` (`job_id`, unless it is set). After a failure the job is as it was.
  Result<std::uint64_t> job_queued(Job &job) {
    return job_step(job, [&](nbwss_job *c, std::uint64_t *n) { return nbwss_job_queued(get(), c, n); });
  }

  /// Tells that a job runs. Otherwise as `job_queued`.
  Result<std::uint64_t> job_active(Job &job) {
    return job_step(job, [&](nbwss_job *c, std::uint64_t *n) { return nbwss_job_active(get(), c, n); });
  }

  /// Tells that a job has ended, with this status: 0 for success. Otherwise as `job_queued`.
  Result<std::uint64_t> job_done(Job &job, std::int64_t status) {
    return job_step(job, [&](nbwss_job *c, std::uint64_t *n) { return nbwss_job_done(get(), c, status, n); });
  }

  /// Accepts an image notification.
  Result<std::uint64_t> notify_image(const Image &image) {
    const nbwss_image c = detail::to_c(image);
    std::uint64_t sequence = 0;
    return {nbwss_notify_image(get(), &c, &sequence), sequence};
  }

  /// Accepts a notification in JSON, which is sent as it is: see `nbwss_notify_json_n`.
  Result<std::uint64_t> notify_json(std::string_view notification) {
    std::uint64_t sequence = 0;
    return {nbwss_notify_json_n(get(), detail::str(notification), &sequence), sequence};
  }

  /// @}

private:
  template <class Call> static Result<std::uint64_t> job_step(Job &job, Call call) {
    nbwss_job c = detail::to_c(job);
    std::uint64_t sequence = 0;
    const nbwss_status status = call(&c, &sequence);
    job.state = detail::view(c.state);
    job.status = c.status;
    job.start_time = c.start_time;
    job.parent_job_id = c.parent_job_id;
    return {status, sequence};
  }

  detail::Handle<nbwss_connector, nbwss_connector_destroy> handle_;
};

} // namespace nbwss

#endif
