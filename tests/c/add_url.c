/*
 * Adds what an HTTPS URL has: add_url URL CA_FILE HOST..., the host names that are then to be there, in alphabetical order.
 */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

int main(int argc, char **argv) {
  CHECK(argc > 3);
  nbwss_options *options = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", argv[2]));
  nbwss_connector *connector = NULL;
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_url(connector, argv[1]));
  nbwss_endpoints *list = NULL;
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  size_t number = 0;
  CHECK_OK(nbwss_endpoints_count(list, &number));
  CHECK(number == (size_t)argc - 3);
  for (int host = 3; host < argc; host++) {
    nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
    CHECK_OK(nbwss_endpoints_get(list, (size_t)host - 3, &info));
    CHECK(str_is(info.host_name, argv[host]) && info.active);
  }
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_destroy(connector));
  return 0;
}
