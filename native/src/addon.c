/* Entry of the addon: registers what each source offers. No state of its own, so it is safe in workers. */
#include "binding.h"

NAPI_MODULE_INIT() {
  if (weft_netlink_options_init(env, exports) < 0 || weft_datagram_init(env, exports) < 0 ||
      weft_path_init(env, exports) < 0 || weft_echo_init(env, exports) < 0 || weft_memory_file_init(env, exports) < 0) {
    napi_throw_error(env, NULL, "weft.node: cannot register its functions");
    return NULL;
  }
  return exports;
}
