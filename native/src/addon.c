/*
 * Entry point of the addon: registers all functions. State belongs to an environment, so it is
 * safe in worker threads of Node.
 */
#include "binding.h"

NAPI_MODULE_INIT() {
  if (weft_netlink_options_init(env, exports) < 0 || weft_netlink_send_init(env, exports) < 0 ||
      weft_netlink_watch_init(env, exports) < 0 || weft_datagram_init(env, exports) < 0 ||
      weft_path_init(env, exports) < 0 || weft_echo_init(env, exports) < 0 || weft_memory_file_init(env, exports) < 0 ||
      weft_file_lock_init(env, exports) < 0 || weft_code_pages_init(env, exports) < 0 ||
      weft_tool_init(env, exports) < 0) {
    napi_throw_error(env, NULL, "weft.node: cannot register its functions");
    return NULL;
  }
  return exports;
}
