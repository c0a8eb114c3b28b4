/* Who may call: the account that may log in, and the tokens that were given out. Safe from any thread. */
#ifndef HOST_LOGIN_H
#define HOST_LOGIN_H

#include <nbwss.h>
#include <stdbool.h>

enum { TOKEN_SIZE = 33 /* 32 hexadecimal digits and NUL */ };

/* Is this an account of ours? */
bool login_accepts(const char *user_name, const char *password);

/* Makes a token and remembers it; of more than a few the oldest is forgotten. False: the system has no random bytes. */
bool login_make_token(char token[TOKEN_SIZE]);

/* Is this a token that was given out? `authorization` is a header's value: the token, bare or after "Bearer ". */
bool login_token_valid(nbwss_str authorization);

#endif
