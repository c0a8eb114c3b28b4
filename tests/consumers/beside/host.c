/*
 * A host that has OpenSSL and another static library in Rust linked into it, and uses them before it does what every
 * host here does.
 */
#define main serve
#include "../host.c"
#undef main

#include <openssl/evp.h>
#include <openssl/ssl.h>

size_t second_count_even(uint32_t below);

int main(int argc, char **argv) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL || EVP_Digest("abc", 3, digest, NULL, EVP_sha256(), NULL) != 1 || digest[0] != 0xba) return 3;
  SSL_CTX_free(context);
  if (second_count_even(7) != 4) return 4;
  return serve(argc, argv);
}
