// Names that a fix takes from outside. Root pastes fixes into a shell, and a container with
// CAP_NET_ADMIN names its devices: the kernel allows `$(reboot)` (dev_valid_name). Pure.

const PLAIN = /^[\w.:@/-]+$/;

/** A text as one word of sh(1). */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** A command that sets a file below /proc/sys. Only separators that are slashes leave the dots of a name such as `eth0.100`. */
export function sysctlFix(path: `net/${string}`, value: number): string {
  return `sysctl -w ${shellWord(path)}=${value}`;
}
