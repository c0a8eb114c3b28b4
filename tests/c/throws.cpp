/*
 * A host in C++ whose request callback throws: before it has answered, after, and with the request put by for later.
 * Behind nbwss_guard the first and the last are answered with 500 and the other with the answer that it gave; locals are
 * destroyed, the process lives, and the session goes on. Unguarded, the first exception ends the process. Without
 * exceptions (-fno-exceptions) there is no guard, and the same program only answers.
 *
 *   throws ENDPOINT_JSON CA_FILE [unguarded]     (ends when /finish is asked for)
 */
#ifdef __cpp_exceptions
#include <stdexcept>
#include <string>
#endif

#include "counting_host.h"

namespace {

enum { THROWN_EACH_WAY = 20 };

struct Host {
  counting_host counting = COUNTING_HOST_INIT;
  counter destroyed = COUNTER_INIT; // locals of the callback
  counter finished = COUNTER_INIT;
  nbwss_request *put_by = nullptr;
};

// Counts its end, by a return or by an exception.
class Local {
public:
  explicit Local(Host &host) : host_(host) {}
  Local(const Local &) = delete;
  Local &operator=(const Local &) = delete;
  ~Local() { counter_raise(&host_.destroyed); }

private:
  Host &host_;
};

void respond(nbwss_request *request, int32_t status_code) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.status_code = status_code;
  CHECK_OK(nbwss_request_respond(request, &response));
}

void on_request(nbwss_request *request, void *user_data) {
  Host &host = *static_cast<Host *>(user_data);
  Local local(host);
  nbwss_str uri;
  CHECK_OK(nbwss_request_uri(request, &uri));
#ifdef __cpp_exceptions
  if (str_is(uri, "/before")) throw std::runtime_error("before the answer to " + std::string(uri.ptr, uri.len));
  if (str_is(uri, "/after")) {
    respond(request, 201);
    throw 7;
  }
  if (str_is(uri, "/put-by")) {
    host.put_by = request;
    throw std::string("the request was put by");
  }
  if (str_is(uri, "/was-put-by")) {
    // The guard has answered it.
    CHECK_STATUS(nbwss_request_fail(host.put_by, 503, "too late"), NBWSS_BAD_HANDLE);
  }
#endif
  bool finish = str_is(uri, "/finish");
  respond(request, 200);
  if (finish) counter_raise(&host.finished);
}

} // namespace

int main(int argc, char **argv) {
  static Host host;
  nbwss_connector *connector = nullptr;
  CHECK(argc == 3 || argc == 4);
  CHECK(nbwss_check_compat() == NBWSS_OK);
  nbwss_options *options = counting_options(&host.counting, argv[2]);
#ifdef __cpp_exceptions
  nbwss_request_callback callback = argc == 4 ? on_request : nbwss_guard<on_request>;
  CHECK_OK(nbwss_options_on_request(options, callback, &host, nullptr));
#else
  CHECK_OK(nbwss_options_on_request(options, on_request, &host, nullptr));
#endif
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.finished, 1));
  CHECK_OK(nbwss_connector_destroy(connector));
#ifdef __cpp_exceptions
  CHECK(counter_value(&host.destroyed) == 2 * THROWN_EACH_WAY + 3);
#endif
  CHECK(counter_value(&host.counting.established) == 1);
  CHECK(counter_value(&host.counting.destructors) == 2);
  return 0;
}
