// A root folder of a container that can ping, serve and fetch, made of Debian's static busybox alone. Its web server returns
// each client the address that it came from: what masquerade does is seen there.
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BUSYBOX = '/bin/busybox';
const APPLETS = ['cat', 'sh', 'ping', 'wget', 'httpd', 'sleep'];
const PRINT_CLIENT = '#!/bin/sh\necho Content-Type: text/plain\necho\necho "$REMOTE_ADDR"\n';

/** Path of the client's own address, on port 80 of the server of `www`. */
export const WHO_AM_I = '/cgi-bin/who';

/** Makes the folder; the caller removes it. */
export function makeWebRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'weft-root-'));
  for (const folder of ['bin', 'www/cgi-bin']) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(join(root, 'www', WHO_AM_I), PRINT_CLIENT, { mode: 0o755 });
  return root;
}
