// A second attempt to reach etcd: time limits also run while this process makes channels and starts
// programs on a busy host.
import { RegistryError } from '../../allocator/registry/registry.ts';

/** Does `action` again after a transient failure. @throws what the last attempt threw */
export async function twice<Store, Result>(
  action: (store: Store) => Promise<Result>,
  store: Store,
): Promise<Result> {
  return action(store).catch((error: unknown) => {
    if (error instanceof RegistryError && error.isTransient) return action(store);
    throw error;
  });
}

/** Does `attempt` again after a failure. @returns the reason of the last one; undefined: none */
export async function again(attempt: () => Promise<string | undefined>): Promise<string | undefined> {
  return (await attempt()) === undefined ? undefined : attempt();
}
