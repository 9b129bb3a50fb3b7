// What this daemon manages in the kernel: the present ownership, and earlier ones until the objects
// that they cover are removed.
import type { Ownership } from '../../backends/backend.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import { RouteOwnership } from '../kernel/route-ownership.ts';

export class ManagedScope {
  #current: Ownership | undefined;
  #former: readonly Ownership[] = [];
  #union: Ownership | undefined;

  /** Present and earlier ownerships in one; the same object while unchanged. */
  get ownership(): Ownership | undefined {
    return this.#union;
  }

  /** Whether an earlier ownership may still cover objects. */
  get hasFormer(): boolean {
    return this.#former.length > 0;
  }

  /** Returns whether `ownership` differs from the present one. */
  set(ownership: Ownership): boolean {
    if (JSON.stringify(this.#current) === JSON.stringify(ownership)) return false;
    if (this.#current !== undefined) this.#former = [...this.#former, this.#current];
    this.#current = ownership;
    this.#join();
    return true;
  }

  /**
   * Drops earlier ownerships, unless only they cover a desired route: peers may have subnets in the
   * former network.
   */
  forgetFormer(desired: Iterable<KernelObject>): void {
    if (this.#former.length === 0 || this.#current === undefined) return;
    const routes = new RouteOwnership(this.#current);
    for (const object of desired)
      if (object.kind === 'route' && !routes.mayHold(object.dev, object.destination)) return;
    this.#former = [];
    this.#join();
  }

  /** Whether a change of the interface `name` may have changed managed objects. */
  concerns(name: string): boolean {
    const { ownership } = this;
    return ownership !== undefined && (ownership.interface === name || ownership.devices.includes(name));
  }

  #join(): void {
    if (this.#current === undefined) return;
    const all = [this.#current, ...this.#former];
    const networks = new Map(
      (this.#current.hasCommands === true ? [this.#current] : all).flatMap((each) =>
        each.networks.map((one) => [`${one.network} ${one.subnetLength}`, one]),
      ),
    );
    this.#union = {
      devices: [...new Set(all.flatMap(({ devices }) => devices))],
      networks: [...networks.values()],
      interface: this.#current.interface,
      ...(all.some(({ hasIpsec }) => hasIpsec === true) && { hasIpsec: true }),
      ...(all.some(({ hasCommands }) => hasCommands === true) && { hasCommands: true }),
    };
  }
}
