/* The little JSON that a host needs: read string members of one object, write an answer. */
#ifndef HOST_JSON_H
#define HOST_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_answer {
  JSON_FOUND,
  JSON_ABSENT,    /* no such member, or it is no string, or longer than the buffer */
  JSON_MALFORMED  /* not one well-formed JSON object; or a string holds U+0000, which C can't */
};

/*
 * Reads the string member `name` of the object that `text` holds into `out`, ending in NUL. The whole text is checked,
 * whatever is asked for. Of members with the same name the last one counts. `out` is "" unless the answer is JSON_FOUND.
 */
enum json_answer json_read_string(const char *text, size_t length, const char *name, char *out, size_t out_size);

/* A growing text. Running out of memory is remembered in `failed`, so that only the end needs a check. */
struct text {
  char *data; /* ends in NUL once something was added; released with text_free */
  size_t length;
  size_t capacity;
  bool failed;
};

void text_add(struct text *text, const char *piece);
void text_add_integer(struct text *text, long long value);
/* Adds `value` as a JSON string, quoted and escaped. */
void text_add_quoted(struct text *text, const char *value);
void text_free(struct text *text);

#endif
