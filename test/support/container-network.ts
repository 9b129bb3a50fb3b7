// The network as users of containers see it, checked in the same manner for every runtime.
import assert from 'node:assert/strict';
import type { Lab } from '../../lab/lab.ts';
import { ETCD_ADDRESS } from '../../lab/topology.ts';
import { WHO_AM_I } from './web-root.ts';

/** A container that serves `www` of its root on port 80. */
export interface ServingContainer {
  readonly host: string;
  readonly address: string;
  /** Runs a command inside, for 10 s at most. @throws Error if it fails. */
  run(argv: readonly string[]): Promise<string>;
}

/** Serves `www` outside of the cluster network, from a host without a route into it. */
export async function serveOutside(lab: Lab, root: string): Promise<void> {
  await lab.check('etcd', ['busybox', 'httpd', '-p', '80', '-h', `${root}/www`]);
}

/** Both reach each other, and each sees the other's own address. */
export async function assertMutual(a: ServingContainer, b: ServingContainer): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    await from.run(['ping', '-q', '-c', '2', '-i', '0.1', '-W', '2', to.address]);
    assert.equal(await fetchClientAddress(from, to.address), from.address);
  }
}

/** Who is outside answers, and sees the host's address. */
export async function assertMasqueraded(lab: Lab, container: ServingContainer): Promise<void> {
  const seen = await fetchClientAddress(container, ETCD_ADDRESS);
  assert.equal(seen, lab.host(container.host).publicIp);
}

/** The address that a web server sees this container come from. */
async function fetchClientAddress(container: ServingContainer, server: string): Promise<string> {
  const text = await container.run(['wget', '-q', '-O', '-', `http://${server}${WHO_AM_I}`]);
  // The server listens on both families.
  return text.trim().replace(/^\[::ffff:(.*)\]$/, '$1');
}
