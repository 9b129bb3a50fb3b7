// A second attempt to read etcd.
import { RegistryError } from '../../allocator/registry/registry.ts';

/**
 * Does `action` again after a transient failure: the time limit of the first one also runs while this
 * process makes channels and starts programs on a busy host.
 * @throws what the last attempt threw
 */
export async function twice<Store, Result>(
  action: (store: Store) => Promise<Result>,
  store: Store,
): Promise<Result> {
  return action(store).catch((error: unknown) => {
    if (error instanceof RegistryError && error.isTransient) return action(store);
    throw error;
  });
}
