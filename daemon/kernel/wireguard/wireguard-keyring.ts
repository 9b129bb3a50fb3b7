// Secrets of WireGuard in this process: private keys by their public key, preshared keys by their
// fingerprint. Kernel objects, logs and dumps name a secret by these alone.
import { fingerprint, wireguardPublicKey } from '../../../lib/wireguard-key.ts';

export class WireguardKeyring {
  readonly #privateKeys = new Map<string, Buffer>();
  readonly #presharedKeys = new Map<string, Buffer>();

  /** Adds a private key; returns its public key in base64. */
  addPrivateKey(key: Buffer): string {
    const publicKey = wireguardPublicKey(key);
    this.#privateKeys.set(publicKey, Buffer.from(key));
    return publicKey;
  }

  /** Adds a preshared key; returns its fingerprint. */
  addPresharedKey(key: Buffer): string {
    const id = fingerprint(key);
    this.#presharedKeys.set(id, Buffer.from(key));
    return id;
  }

  /** Private key of a public one; `undefined` if it is not this host's. */
  privateKeyOf(publicKey: string): Buffer | undefined {
    return this.#privateKeys.get(publicKey);
  }

  presharedKeyOf(id: string): Buffer | undefined {
    return this.#presharedKeys.get(id);
  }
}
