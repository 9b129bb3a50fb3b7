// IPsec policies, charon and its connections, as they were set.
import {
  objectKey,
  type CharonObject,
  type IkeObject,
  type ObjectKey,
  type PolicyObject,
} from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../actual-state.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';

export class MemoryIpsec {
  readonly objects = new Map<ObjectKey, ActualObject>();

  list(): Promise<readonly ActualObject[]> {
    return Promise.resolve([...this.objects.values()]);
  }

  apply(action: 'set' | 'remove', object: PolicyObject | CharonObject | IkeObject): Outcome {
    if (action === 'set') this.objects.set(objectKey(object), object);
    else this.objects.delete(objectKey(object));
    return DONE;
  }
}
