#define _POSIX_C_SOURCE 200809L

#include "login.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_TOKENS = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char tokens[MAX_TOKENS][TOKEN_SIZE]; /* a ring; an empty place starts with NUL */
static size_t tokens_made;

/* The demonstration's one account. A real host asks its user directory here. */
bool login_accepts(const char *user_name, const char *password) {
  return strcmp(user_name, "cloudapp") == 0 && strcmp(password, "demo") == 0;
}

bool login_make_token(char token[TOKEN_SIZE]) {
  unsigned char bytes[(TOKEN_SIZE - 1) / 2];
  FILE *source = fopen("/dev/urandom", "rbe");
  bool read = source != NULL && fread(bytes, 1, sizeof bytes, source) == sizeof bytes;
  if (source != NULL) fclose(source);
  if (!read) return false;
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(token + 2 * i, 3, "%02x", (unsigned)bytes[i]);
  pthread_mutex_lock(&lock);
  memcpy(tokens[tokens_made++ % MAX_TOKENS], token, TOKEN_SIZE);
  pthread_mutex_unlock(&lock);
  return true;
}

/* Takes as long for a wrong first character as for a wrong last one, so that the time tells nothing. */
static bool same_token(const char *known, const char *given) {
  unsigned char difference = 0;
  for (size_t i = 0; i + 1 < TOKEN_SIZE; i++) difference |= (unsigned char)(known[i] ^ given[i]);
  return difference == 0;
}

bool login_token_valid(nbwss_str authorization) {
  static const char bearer[] = "Bearer ";
  const size_t bearer_length = sizeof bearer - 1;
  if (authorization.len > bearer_length && strncasecmp(authorization.ptr, bearer, bearer_length) == 0) {
    authorization.ptr += bearer_length;
    authorization.len -= bearer_length;
  }
  if (authorization.len != TOKEN_SIZE - 1) return false;
  bool valid = false;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < MAX_TOKENS; i++) {
    if (tokens[i][0] != '\0' && same_token(tokens[i], authorization.ptr)) valid = true;
  }
  pthread_mutex_unlock(&lock);
  return valid;
}
