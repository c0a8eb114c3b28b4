// Callbacks of every kind that throw whatever they like: each time the host's exception callback is told which it was
// and what it threw, and nothing else happens. A request that goes in the unwinding is answered with 500; one that was
// answered, or that somebody else has by then, is not touched.
//
//   throws ENDPOINT_JSON CA_FILE     (ends when /finish is asked for)

#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "check.hpp"

namespace {

using namespace std::chrono_literals;

// What an exception callback was told: the words of what was thrown, by the callback's name.
class Told {
public:
  nbwss::ExceptionCallback callback() {
    return [this](std::string_view name, std::exception_ptr exception) {
      std::lock_guard<std::mutex> guard(lock_);
      words_[std::string(name)].push_back(words(exception));
      // Which nobody hears of.
      throw std::logic_error("the exception callback throws, too");
    };
  }

  std::vector<std::string> operator[](const std::string &name) {
    std::lock_guard<std::mutex> guard(lock_);
    return words_[name];
  }

  std::size_t kinds() {
    std::lock_guard<std::mutex> guard(lock_);
    return words_.size();
  }

private:
  static std::string words(const std::exception_ptr &exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception &caught) {
      return caught.what();
    } catch (int number) {
      return std::to_string(number);
    } catch (...) {
      return "something else";
    }
  }

  std::mutex lock_;
  std::map<std::string, std::vector<std::string>> words_;
};

struct Something {};

struct Host {
  counter cancelled = COUNTER_INIT, finished = COUNTER_INIT;
  nbwss::Request put_by, cancelled_request;
};

void on_request(Host &host, nbwss::Request request) {
  const std::string uri(request.uri());
  if (uri == "/before") throw std::runtime_error("before the answer to " + uri);
  if (uri == "/after") {
    CHECK_DONE(request.respond({201}));
    throw 7;
  }
  if (uri == "/put-by") {
    host.put_by = std::move(request);
    throw Something();
  }
  if (uri == "/was-put-by") CHECK_DONE(host.put_by.respond({200, "put by"}));
  if (uri == "/cancelled") {
    host.cancelled_request = std::move(request);
    return;
  }
  // The library's own words may go the same way.
  if (uri == "/misused") request.respond({99}).value();
  if (uri == "/finish") CHECK(counter_reaches(&host.cancelled, 1));
  request.respond({200}).value();
  if (uri == "/finish") counter_raise(&host.finished);
}

nbwss::Options new_options(const char *ca_file, nbwss::ExceptionCallback on_exception) {
  nbwss::Options options = nbwss::Options::create(std::move(on_exception)).value();
  options.set("tls.caFile", ca_file).value();
  options.set("dispatch.policy", "allow * /**").value();
  options.set_int("dispatch.timeout", 1500).value();
  options.set_int("connect.backoffBase", 20).value();
  return options;
}

// With a session, in which all goes on as if nothing had been thrown.
void in_a_session(char **argv) {
  Host host;
  Told told;
  nbwss::Options options = new_options(argv[2], told.callback());
  options.set_int("dispatch.threads", 1).value(); // one after another
  options.on_request([&](nbwss::Request request) { on_request(host, std::move(request)); }).value();
  options.on_event([](const nbwss::Event &event) { throw std::runtime_error(std::string(event.host_name)); }).value();
  options.on_delivery([](const nbwss::Delivery &delivery) { throw int(delivery.outcome); }).value();
  options.on_log([](const nbwss::Log &) { throw Something(); }).value();
  options.on_audit([](const nbwss::Audit &record) { throw std::runtime_error(std::string(record.path)); }).value();
  options.on_cancel([&](const nbwss_request *request) {
    CHECK(request == host.cancelled_request.get());
    counter_raise(&host.cancelled);
    throw Something();
  }).value();
  nbwss::Connector connector = nbwss::Connector::create(options).value();
  connector.endpoint_add_file(argv[1]).value();
  connector.start().value();
  nbwss::Job job;
  job.client_name = "client.example.com";
  job.job_type = "BACKUP";
  job.job_id = 1;
  connector.job_queued(job).value();
  CHECK(counter_reaches(&host.finished, 1));
  connector.drain(std::chrono::milliseconds(DEADLINE_MS)).value();
  connector.destroy().value();

  const std::vector<std::string> requests = {"before the answer to /before", "7", "something else",
                                             "response: status_code: 99 is not from 100 to 599"};
  CHECK(told["on_request"] == requests);
  CHECK(told["on_event"].at(0) == "cloud.example.com" && told["on_delivery"] == std::vector<std::string>{"0"});
  CHECK(told["on_log"].at(0) == "something else" && told["on_audit"].at(0) == "/before");
  CHECK(told["on_cancel"] == std::vector<std::string>{"something else"} && told.kinds() == 6);
}

// A connection that cannot be made, and a key that cannot be given.
void where_an_answer_is_wanted(char **argv) {
  Told told;
  counter failed = COUNTER_INIT;
  nbwss::Options options = new_options(argv[2], told.callback());
  options.on_dial([](const nbwss::Dial &dial, nbwss_socket &socket) -> std::int32_t {
    CHECK(dial.host == "localhost" && dial.host.data()[9] == '\0' && dial.port > 0 && dial.timeout_ms == 10000);
    CHECK(socket == -1);
    throw std::runtime_error("no way to " + std::string(dial.host));
  }).value();
  options.on_event([&](const nbwss::Event &event) {
    // Destroying calls off the one under way.
    if (event.kind != NBWSS_EVENT_CONNECT_FAILED || event.cause == NBWSS_CAUSE_STOPPED) return;
    CHECK(event.cause == NBWSS_CAUSE_DIAL && contains(event.reason, "-1") && event.retry_in_ms >= 0);
    counter_raise(&failed);
  }).value();
  nbwss::Connector connector = nbwss::Connector::create(options).value();
  connector.endpoint_add_file(argv[1]).value();
  connector.start().value();
  CHECK(counter_reaches(&failed, 2));
  connector.destroy().value();
  CHECK(told["on_dial"].at(1) == "no way to localhost" && told.kinds() == 1);

  options.set("endpoint.store.path", std::string(argv[1]) + ".db").value();
  options.on_store_key([](std::uint8_t *) -> std::int32_t { throw 8; }).value();
  nbwss::Result<nbwss::Connector> refused = nbwss::Connector::create(options);
  CHECK_FAILS(refused, NBWSS_STORE_KEY);
  CHECK(contains(refused.message(), "-1") && told["on_store_key"] == std::vector<std::string>{"8"});
}

// Without an exception callback, nobody hears of it.
void untold(char **argv) {
  counter thrown = COUNTER_INIT;
  nbwss::Options options = new_options(argv[2], {});
  options.on_dial([](const nbwss::Dial &, nbwss_socket &) -> std::int32_t { throw Something(); }).value();
  options.on_event([&](const nbwss::Event &) {
    counter_raise(&thrown);
    throw Something();
  }).value();
  nbwss::Connector connector = nbwss::Connector::create(options).value();
  connector.endpoint_add_file(argv[1]).value();
  connector.start().value();
  CHECK(counter_reaches(&thrown, 4));
  connector.destroy().value();
}

} // namespace

int main(int argc, char **argv) {
  CHECK(argc == 3);
  in_a_session(argv);
  where_an_answer_is_wanted(argv);
  untold(argv);
  return 0;
}
