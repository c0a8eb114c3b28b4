/* The REST API that the cloud application may call: routes, logins and answers over the catalogue and the backups. */
#ifndef HOST_REST_H
#define HOST_REST_H

#include <nbwss.h>

#include "backup.h"
#include "catalogue.h"

struct rest {
  struct catalogue *catalogue;
  struct backups *backups; /* set before the connector starts */
};

/* For nbwss_options_on_request; `user_data` is a struct rest. */
void rest_on_request(nbwss_request *request, void *user_data);

#endif
