/**
 * nginx's error log (`error_log syslog:server=…`): `DATE TIME [LEVEL] PID#TID: *CONNECTION TEXT, client: A, server: …`.
 *
 * Unlike the access log nothing is escaped here: user, request, host and referrer are the client's bytes, quotes and all.
 * The address stands between them. What is left of it holds no colon of the client's (basic authentication cuts the name at
 * the first), so it is read from the left; a name with a quote in it does not match and is left to the access line (401).
 */

import type { Rule } from "../rule.ts";

const head = "{date:word} {time:word} \\[{level:word}\\] {pid:int}#{thread:int}: *{connection:int}";
const tail = "client: {address:ip}, server: {rest}";

export const nginxRules: readonly Rule[] = [
  {
    // ngx_http_limit_req_module. `delaying request` was served late, `dry run` was served, `limiting connections` is another.
    name: "nginx-limit-req",
    programs: ["nginx"],
    match: `${head} limiting requests, excess: {excess:word} by zone "{zone:quoted}", ${tail}`,
    type: "http_error",
    set: { reason: "limit_req" },
  },
  {
    // ngx_http_auth_basic_module. The access line of the same request has status 401.
    name: "nginx-basic-auth",
    programs: ["nginx"],
    match: [
      `${head} user "{user:quoted}" was not found in "{file:quoted}", ${tail}`,
      `${head} user "{user:quoted}": password mismatch, ${tail}`,
    ],
    type: "http_error",
    set: { reason: "basic_auth" },
  },
];
