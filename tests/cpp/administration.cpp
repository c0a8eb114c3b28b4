// Endpoints, server groups, inspections and notifications: what is given arrives in C, and what C tells arrives here.
//
//   administration ENDPOINT_JSON CA_FILE

#include <fstream>
#include <iterator>
#include <mutex>
#include <set>

#include "check.hpp"

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds deadline(DEADLINE_MS);
const char *endpoint_file, *ca_file;
std::string host_name, url, group_id, token;

std::string text_of(const char *path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

nbwss::Options new_options() {
  nbwss::Options options = nbwss::Options::create().value();
  CHECK_DONE(options.set("tls.caFile", ca_file));
  CHECK_DONE(options.set("connect.timeout", "10000"));
  return options;
}

// What the cloud application hands out, read and shown.
void lists() {
  nbwss::Endpoints list = nbwss::Endpoints::read_file(endpoint_file).value();
  const auto all = list.all();
  CHECK(all.size() == 1);
  host_name = all[0].host_name, url = all[0].url, group_id = all[0].group_id;
  CHECK(contains(url, "wss://") && all[0].priority == 1 && !all[0].active && all[0].next_attempt_in_ms == -1);
  const std::size_t length = list.token(0, nullptr, 0).value();
  token.resize(length);
  CHECK_FAILS(list.token(0, token.data(), length - 1), NBWSS_INVALID_ARGUMENT);
  CHECK(*list.token(0, token.data(), length) == length);
  CHECK(contains(text_of(endpoint_file), token));
  CHECK_FAILS(list.token(1, nullptr, 0), NBWSS_NOT_FOUND);

  const std::string one = R"({"hostName": "a", "url": "wss://a/", "groupId": "g", "priority": 1, "token": "t"})";
  const std::string other = R"({"hostName": "b", "url": "wss://b/", "groupId": "g", "priority": 2, "token": "u"})";
  nbwss::Endpoints two = nbwss::Endpoints::read_json("[" + one + "," + other + "]").value();
  list = std::move(two);
  CHECK(list.all().size() == 2 && list.all()[1].host_name == "b" && list.all()[1].priority == 2);
  auto bad = nbwss::Endpoints::read_json("{");
  CHECK_FAILS(bad, NBWSS_ENDPOINT_NOT_JSON);
  CHECK(contains(bad.message(), "line 1"));
  CHECK_FAILS(nbwss::Endpoints::read_file("/nonexistent"), NBWSS_IO);

  nbwss::Connector connector = nbwss::Connector::create(new_options()).value();
  CHECK_DONE(connector.endpoints_add(list, nbwss::Tls{"", "", "spki:" + std::string(64, 'a')}));
  CHECK_FAILS(connector.endpoint_add_json(one), NBWSS_DUPLICATE_ENDPOINT);
  nbwss::Endpoints added = connector.endpoint_list().value();
  CHECK(added.all().size() == 2 && contains(added.all()[1].pin, std::string(64, 'a')));
}

// One endpoint's life, as far as it goes without its cloud application.
void changes() {
  nbwss::Connector connector = nbwss::Connector::create(new_options()).value();
  const auto look = [&connector] { return connector.endpoint_get("HOST.example.com").value(); };
  nbwss::Endpoint endpoint;
  endpoint.host_name = "host.example.com";
  endpoint.url = "wss://host.example.com/";
  endpoint.group_id = "group";
  endpoint.token = "secret";
  endpoint.priority = 3;
  endpoint.tls = nbwss::Tls();
  endpoint.tls->ca_file = ca_file;
  CHECK_DONE(connector.endpoint_add(endpoint));
  CHECK_FAILS(connector.endpoint_add(endpoint), NBWSS_DUPLICATE_ENDPOINT);
  nbwss::Endpoints now = look();
  CHECK(now.all()[0].ca_file == ca_file && now.all()[0].priority == 3 && now.all()[0].active);
  CHECK(now.all()[0].state == NBWSS_DISCONNECTED && now.all()[0].since_ms > 0);

  CHECK_DONE(connector.endpoint_set_priority("host.example.com", 4));
  CHECK_FAILS(connector.endpoint_set_priority("host.example.com", -1), NBWSS_ENDPOINT_BAD_PRIORITY);
  CHECK_DONE(connector.endpoint_set_tls("host.example.com", std::nullopt));
  CHECK_DONE(connector.endpoint_deactivate("host.example.com"));
  now = look();
  CHECK(now.all()[0].ca_file.empty() && now.all()[0].priority == 4 && !now.all()[0].active);
  CHECK_DONE(connector.endpoint_activate("host.example.com"));
  CHECK_DONE(connector.endpoint_reconnect("host.example.com"));
  CHECK_DONE(connector.endpoint_set_token("host.example.com", "another"));
  char shown[7];
  CHECK(*look().token(0, shown, sizeof shown) == 7 && std::string_view(shown, 7) == "another");
  CHECK(connector.health()->endpoints_active == 1 && connector.health()->groups_connected == 0);

  CHECK_FAILS(connector.notify_json("{}"), NBWSS_INVALID_NOTIFICATION);
  CHECK_DONE(connector.notify_json(R"({"notificationType": "INFO", "object": "VAULT", "data": [{"a": 1}]})"));
  CHECK(connector.group_stats("group")->pending == 1 && connector.stats()->notifications_pending == 1);
  nbwss_drained drained;
  CHECK_FAILS(connector.drain(1ms, &drained), NBWSS_TIMEOUT);
  CHECK(drained.pending == 1 && drained.delivered == 0);

  CHECK_DONE(connector.group_stop("group"));
  CHECK_DONE(connector.group_start("group"));
  CHECK_FAILS(connector.group_stop("none"), NBWSS_NOT_FOUND);
  CHECK_FAILS(connector.group_forget("group"), NBWSS_ILLEGAL_STATE);
  CHECK_DONE(connector.set_policy("allow GET /a; deny * /**"));
  CHECK_FAILS(connector.set_policy("allow"), NBWSS_INVALID_VALUE);
  CHECK_FAILS(connector.endpoints_fetch("https://localhost:1/"), NBWSS_FETCH_FAILED);
  CHECK_FAILS(connector.endpoint_add_url("https://localhost:1/"), NBWSS_FETCH_FAILED);
  CHECK_DONE(connector.endpoint_remove("host.example.com"));
  CHECK_FAILS(connector.endpoint_remove("host.example.com"), NBWSS_NOT_FOUND);
  CHECK_FAILS(connector.endpoint_get("host.example.com"), NBWSS_NOT_FOUND);
}

// What an administrator sees before it is added, and accepts.
void inspections() {
  nbwss::Connector connector = nbwss::Connector::create(nbwss::Options::create().value()).value();
  nbwss::Inspection seen = connector.endpoint_validate(url).value();
  const nbwss::InspectionResult result = seen.result();
  CHECK(result.ok && !result.trusted && !result.distrust.empty() && contains(result.ca_to_accept, "BEGIN CERTIFICATE"));
  const auto steps = seen.steps();
  CHECK(steps.size() == 3 && steps[0].phase == NBWSS_PHASE_RESOLVE && steps[2].phase == NBWSS_PHASE_TLS);
  CHECK(!steps[2].peer.empty() && steps[2].failure.empty());
  const nbwss::Certificate own = seen.certificates()[0];
  CHECK(contains(own.names, "DNS:localhost") && own.sha256.size() == 64 && own.not_before < own.not_after);
  CHECK(contains(seen.text(), own.sha256));

  nbwss::Tls accepted;
  accepted.ca_pem = result.ca_to_accept;
  CHECK(connector.endpoint_validate(url, accepted)->result().trusted);
  accepted = {};
  const std::string pin = "certificate:" + std::string(own.sha256);
  accepted.pin = pin;
  CHECK(connector.endpoint_validate(url, accepted)->result().trusted);

  seen = connector.endpoint_validate("wss://localhost:1/").value();
  CHECK(!seen.result().ok && seen.result().cause == NBWSS_CAUSE_TCP && !seen.steps().back().failure.empty());
  CHECK_FAILS(connector.endpoint_validate("https://localhost/"), NBWSS_ENDPOINT_BAD_URL);
  CHECK_FAILS(connector.endpoint_diagnose(host_name, true), NBWSS_NOT_FOUND);
}

// Jobs and images, delivered and reported.
void notifications() {
  counter established = COUNTER_INIT;
  std::mutex lock;
  std::set<std::uint64_t> delivered; // written by the callback, read when all are drained
  nbwss::Options options = new_options();
  CHECK_DONE(options.on_event([&](const nbwss::Event &event) {
    CHECK(event.host_name == host_name && event.group_id == group_id);
    if (event.kind == NBWSS_EVENT_ESTABLISHED) counter_raise(&established);
  }));
  CHECK_DONE(options.on_delivery([&](const nbwss::Delivery &delivery) {
    CHECK(delivery.outcome == NBWSS_DELIVERED && delivery.group_id == group_id && delivery.reason.empty());
    std::lock_guard<std::mutex> guard(lock);
    CHECK(delivered.insert(delivery.sequence).second);
  }));
  nbwss::Connector connector = nbwss::Connector::create(options).value();
  CHECK_DONE(connector.endpoint_add_file(endpoint_file));
  CHECK_DONE(connector.start());
  CHECK(counter_reaches(&established, 1));

  std::set<std::uint64_t> accepted;
  nbwss::Job job;
  job.client_name = "client.example.com";
  job.job_type = "BACKUP";
  job.job_id = 7;
  accepted.insert(connector.job_queued(job).value());
  CHECK(job.state == "QUEUED" && job.parent_job_id == 7 && job.start_time > 0);
  const std::int64_t start_time = job.start_time;
  accepted.insert(connector.job_active(job).value());
  accepted.insert(connector.job_done(job, 13).value());
  CHECK(job.state == "DONE" && job.status == 13 && job.start_time == start_time);
  job.job_id = 8;
  job.client_name = "";
  CHECK_FAILS(connector.notify_job(job), NBWSS_INVALID_NOTIFICATION);
  job.client_name = "client.example.com";
  accepted.insert(connector.notify_job(job).value());
  nbwss::Image image;
  image.client_name = "client.example.com";
  image.operation_id = "CREATE";
  image.backup_id = "client.example.com_1459829674";
  image.backup_time = image.created_time = 1459829674;
  accepted.insert(connector.notify_image(image).value());
  CHECK(accepted.size() == 5);
  CHECK_DONE(connector.drain(deadline));
  CHECK(delivered == accepted && connector.stats()->sessions == 1 && connector.health()->groups_connected == 1);

  nbwss::Inspection diagnosis = connector.endpoint_diagnose(host_name, true).value();
  CHECK(diagnosis.result().ok && diagnosis.result().trusted && diagnosis.steps().back().phase == NBWSS_PHASE_CONNECT);
  CHECK(!contains(diagnosis.text(), token));
  CHECK_DONE(connector.stop());
  CHECK_DONE(connector.wait(deadline));
  CHECK_DONE(connector.destroy());
}

} // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3);
  endpoint_file = argv[1];
  ca_file = argv[2];
  lists();
  changes();
  inspections();
  notifications();
  return 0;
}
