// Exit codes of commands that inspect, beside those of every command (daemon/node/exit.ts).
// They are part of the interface for scripts.

/** No daemon answers on the control socket. */
export const EXIT_NO_DAEMON = 3;
/** The host works, with findings. */
export const EXIT_FINDINGS = 4;
/** The host does not carry traffic. */
export const EXIT_NOT_READY = 5;
