// Exit codes of the commands that look, beside those that every command has (daemon/exit.ts): scripts go by them.

/** No daemon answers on the control socket. */
export const EXIT_NO_DAEMON = 3;
/** It works, but something was found wrong. */
export const EXIT_FINDINGS = 4;
/** This host does not carry traffic. */
export const EXIT_NOT_READY = 5;
