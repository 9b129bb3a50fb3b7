// What is in no device and no route of the kernel, as it was set: IPsec policies, charon with its
// connections, routes of a cloud.
import {
  objectKey,
  type CharonObject,
  type CloudRouteObject,
  type IkeObject,
  type ObjectKey,
  type PolicyObject,
} from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../actual-state.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';

export type ExternalObject = PolicyObject | CharonObject | IkeObject | CloudRouteObject;

export class MemoryExternal {
  readonly objects = new Map<ObjectKey, ActualObject>();

  readonly ike = { list: () => Promise.resolve(this.#list((kind) => kind !== 'cloud-route')) };
  readonly cloudRoutes = { list: () => this.#list((kind) => kind === 'cloud-route') };

  apply(action: 'set' | 'remove', object: ExternalObject): Outcome {
    if (action === 'set') this.objects.set(objectKey(object), object);
    else this.objects.delete(objectKey(object));
    return DONE;
  }

  #list(isPart: (kind: ActualObject['kind']) => boolean): readonly ActualObject[] {
    return [...this.objects.values()].filter(({ kind }) => isPart(kind));
  }
}

export function isExternal(object: { readonly kind: string }): object is ExternalObject {
  return ['policy', 'charon', 'ike', 'cloud-route'].includes(object.kind);
}
