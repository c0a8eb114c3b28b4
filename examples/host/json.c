/* A reader that walks the text once with a bounded depth, and a writer that escapes what must be escaped. */
#include "json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  MAX_DEPTH = 16,    /* nested arrays and objects; each level costs stack */
  MAX_NAME_SIZE = 64 /* a member's name longer than this is none of ours */
};

struct cursor {
  const char *at;
  const char *end;
};

/* Where a string goes while it is read. `size` 0 means: only check it. */
struct sink {
  char *out;
  size_t size;
  size_t length;
  bool fits;
};

static void sink_put(struct sink *sink, unsigned char byte) {
  if (sink->length + 1 < sink->size) {
    sink->out[sink->length++] = (char)byte;
  } else {
    sink->fits = false;
  }
}

static void sink_put_scalar(struct sink *sink, uint32_t scalar) {
  if (scalar < 0x80) {
    sink_put(sink, (unsigned char)scalar);
  } else if (scalar < 0x800) {
    sink_put(sink, (unsigned char)(0xC0 | scalar >> 6));
    sink_put(sink, (unsigned char)(0x80 | (scalar & 0x3F)));
  } else if (scalar < 0x10000) {
    sink_put(sink, (unsigned char)(0xE0 | scalar >> 12));
    sink_put(sink, (unsigned char)(0x80 | (scalar >> 6 & 0x3F)));
    sink_put(sink, (unsigned char)(0x80 | (scalar & 0x3F)));
  } else {
    sink_put(sink, (unsigned char)(0xF0 | scalar >> 18));
    sink_put(sink, (unsigned char)(0x80 | (scalar >> 12 & 0x3F)));
    sink_put(sink, (unsigned char)(0x80 | (scalar >> 6 & 0x3F)));
    sink_put(sink, (unsigned char)(0x80 | (scalar & 0x3F)));
  }
}

static void skip_space(struct cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool take(struct cursor *c, char wanted) {
  if (c->at == c->end || *c->at != wanted) return false;
  c->at++;
  return true;
}

static bool take_word(struct cursor *c, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
  c->at += length;
  return true;
}

static bool take_hex4(struct cursor *c, uint32_t *unit) {
  if (c->end - c->at < 4) return false;
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    char digit = *c->at++;
    uint32_t value;
    if (digit >= '0' && digit <= '9') value = (uint32_t)(digit - '0');
    else if (digit >= 'a' && digit <= 'f') value = (uint32_t)(digit - 'a') + 10;
    else if (digit >= 'A' && digit <= 'F') value = (uint32_t)(digit - 'A') + 10;
    else return false;
    *unit = *unit << 4 | value;
  }
  return true;
}

/* After "\u": one UTF-16 unit, or a surrogate pair written as two escapes. */
static bool take_unicode_escape(struct cursor *c, struct sink *sink) {
  uint32_t unit;
  if (!take_hex4(c, &unit) || unit == 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return false;
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    uint32_t low;
    if (!take_word(c, "\\u") || !take_hex4(c, &low) || low < 0xDC00 || low > 0xDFFF) return false;
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  sink_put_scalar(sink, unit);
  return true;
}

static bool take_string(struct cursor *c, struct sink *sink) {
  if (!take(c, '"')) return false;
  while (c->at < c->end) {
    unsigned char byte = (unsigned char)*c->at++;
    if (byte == '"') {
      if (sink->size > 0) sink->out[sink->length] = '\0';
      return true;
    }
    if (byte < 0x20) return false;
    if (byte != '\\') {
      sink_put(sink, byte);
      continue;
    }
    if (c->at == c->end) return false;
    switch (*c->at++) {
      case '"': sink_put(sink, '"'); break;
      case '\\': sink_put(sink, '\\'); break;
      case '/': sink_put(sink, '/'); break;
      case 'b': sink_put(sink, '\b'); break;
      case 'f': sink_put(sink, '\f'); break;
      case 'n': sink_put(sink, '\n'); break;
      case 'r': sink_put(sink, '\r'); break;
      case 't': sink_put(sink, '\t'); break;
      case 'u':
        if (!take_unicode_escape(c, sink)) return false;
        break;
      default: return false;
    }
  }
  return false;
}

static bool take_digits(struct cursor *c) {
  const char *first = c->at;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++;
  return c->at > first;
}

static bool take_number(struct cursor *c) {
  take(c, '-');
  if (!take(c, '0') && !take_digits(c)) return false;
  if (take(c, '.') && !take_digits(c)) return false;
  if (take(c, 'e') || take(c, 'E')) {
    if (!take(c, '+')) take(c, '-');
    return take_digits(c);
  }
  return true;
}

static bool take_value(struct cursor *c, int depth);

static bool take_array(struct cursor *c, int depth) {
  if (!take(c, '[')) return false;
  skip_space(c);
  if (take(c, ']')) return true;
  do {
    if (!take_value(c, depth)) return false;
    skip_space(c);
  } while (take(c, ','));
  return take(c, ']');
}

/* What is looked for in the outermost object; the objects inside are only checked. */
struct wanted {
  const char *name;
  struct sink value;
  bool found;
};

static bool take_object(struct cursor *c, int depth, struct wanted *wanted) {
  if (!take(c, '{')) return false;
  skip_space(c);
  if (take(c, '}')) return true;
  do {
    char name[MAX_NAME_SIZE] = "";
    struct sink name_sink = {name, sizeof name, 0, true};
    skip_space(c);
    if (!take_string(c, &name_sink)) return false;
    skip_space(c);
    if (!take(c, ':')) return false;
    skip_space(c);
    if (wanted != NULL && name_sink.fits && strcmp(name, wanted->name) == 0) {
      bool is_string = c->at < c->end && *c->at == '"';
      wanted->value.length = 0;
      wanted->value.fits = true;
      if (!(is_string ? take_string(c, &wanted->value) : take_value(c, depth))) return false;
      wanted->found = is_string && wanted->value.fits;
    } else if (!take_value(c, depth)) {
      return false;
    }
    skip_space(c);
  } while (take(c, ','));
  return take(c, '}');
}

static bool take_value(struct cursor *c, int depth) {
  struct sink nowhere = {NULL, 0, 0, true};
  skip_space(c);
  if (c->at == c->end) return false;
  switch (*c->at) {
    case '{': return depth < MAX_DEPTH && take_object(c, depth + 1, NULL);
    case '[': return depth < MAX_DEPTH && take_array(c, depth + 1);
    case '"': return take_string(c, &nowhere);
    case 't': return take_word(c, "true");
    case 'f': return take_word(c, "false");
    case 'n': return take_word(c, "null");
    default: return take_number(c);
  }
}

enum json_answer json_read_string(const char *text, size_t length, const char *name, char *out, size_t out_size) {
  enum json_answer answer = JSON_MALFORMED;
  if (text != NULL) {
    struct cursor c = {text, text + length};
    struct wanted wanted = {name, {out, out_size, 0, true}, false};
    skip_space(&c);
    if (take_object(&c, 1, &wanted)) {
      skip_space(&c);
      if (c.at == c.end) answer = wanted.found ? JSON_FOUND : JSON_ABSENT;
    }
  }
  if (answer != JSON_FOUND && out_size > 0) out[0] = '\0';
  return answer;
}

static void text_add_bytes(struct text *text, const char *bytes, size_t count) {
  if (text->failed) return;
  if (text->capacity - text->length <= count) {
    size_t capacity = text->capacity * 2 + count + 256;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
      text->failed = true;
      return;
    }
    text->data = data;
    text->capacity = capacity;
  }
  memcpy(text->data + text->length, bytes, count);
  text->length += count;
  text->data[text->length] = '\0';
}

void text_add(struct text *text, const char *piece) { text_add_bytes(text, piece, strlen(piece)); }

void text_add_integer(struct text *text, long long value) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%lld", value);
  text_add_bytes(text, digits, (size_t)length);
}

void text_add_quoted(struct text *text, const char *value) {
  text_add(text, "\"");
  for (; *value != '\0'; value++) {
    unsigned char byte = (unsigned char)*value;
    if (byte == '"' || byte == '\\') {
      char escaped[2] = {'\\', (char)byte};
      text_add_bytes(text, escaped, sizeof escaped);
    } else if (byte < 0x20) {
      char escaped[8];
      int length = snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)byte);
      text_add_bytes(text, escaped, (size_t)length);
    } else {
      text_add_bytes(text, value, 1);
    }
  }
  text_add(text, "\"");
}

void text_free(struct text *text) {
  free(text->data);
  memset(text, 0, sizeof *text);
}
