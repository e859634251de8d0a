// A series as a stack of pictures: their order, and loading them ahead of being asked for.

const AHEAD_AT_ONCE = 4; // a browser opens six connections: some stay free for what is asked for
const CACHE_BYTES = 768 * 1024 * 1024;
const CACHE_FULL = 0.85;

export function prepareLoader() {
  const { cornerstone, dicomParser, cornerstoneWADOImageLoader: loader } = window;
  if (!cornerstone || !dicomParser || !loader) {
    throw new Error("This plugin was built without its viewer's libraries (deps/viewer).");
  }
  loader.external.cornerstone = cornerstone;
  loader.external.dicomParser = dicomParser;
  loader.configure({ useWebWorkers: true });
  loader.webWorkerManager.initialize({
    maxWebWorkers: Math.min(4, navigator.hardwareConcurrency || 1),
    startWebWorkersOnDemand: true,
    taskConfiguration: { decodeTask: { initializeCodecsOnStartup: false, strict: false } },
  });
  cornerstone.imageCache.setMaximumSizeBytes(CACHE_BYTES);
}

const numbers = (text) => (text || "").split("\\").map(Number);

// How far along the normal of its plane a slice lies; NaN where it does not say.
function depth(instance) {
  const position = numbers(instance.MainDicomTags.ImagePositionPatient);
  const o = numbers(instance.MainDicomTags.ImageOrientationPatient);
  if (position.length !== 3 || o.length !== 6) return NaN;
  const normal = [o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]];
  return normal.reduce((sum, part, i) => sum + part * position[i], 0);
}

// By instance number where each has its own, else by place, else as Orthanc lists them.
export function inOrder(instances) {
  const orderBy = (key) => instances.map((instance) => ({ instance, key: key(instance) })).sort((a, b) => a.key - b.key)
    .map((one) => one.instance);
  const byNumber = (instance) => parseInt(instance.MainDicomTags.InstanceNumber, 10);
  const own = new Set(instances.map(byNumber));
  if (own.size === instances.length && !own.has(NaN)) return orderBy(byNumber);
  if (instances.every((instance) => !Number.isNaN(depth(instance)))) return orderBy(depth);
  return instances;
}

// The pictures of instances, one a frame.
export function imageIds(instances) {
  return inOrder(instances).flatMap((instance) => {
    const address = `wadouri:${new URL(`../../instances/${instance.ID}/file`, location.href)}`;
    const frames = Math.min(parseInt(instance.MainDicomTags.NumberOfFrames, 10) || 1, 100000);
    return frames < 2 ? [address] : Array.from({ length: frames }, (_, frame) => `${address}?frame=${frame}`);
  });
}

export class Stack {
  constructor(ids) {
    this.ids = ids;
    this.index = 0;
    this.tried = new Set();
    this.running = 0;
    this.isOver = false;
  }

  // The picture at `index`; those around it follow by themselves.
  async load(index) {
    this.index = index;
    this.tried.add(index);
    const image = await window.cornerstone.loadAndCacheImage(this.ids[index]);
    this.loadAhead();
    // The loader takes what there is; the rest would be black like air.
    if (!image.color && image.getPixelData().length < image.rows * image.columns) throw new Error("its pixels end too early");
    return image;
  }

  nextAhead() {
    for (let distance = 1; distance < this.ids.length; distance++) {
      for (const index of [this.index + distance, this.index - distance]) {
        if (index >= 0 && index < this.ids.length && !this.tried.has(index)) return index;
      }
    }
    return -1;
  }

  loadAhead() {
    const { cacheSizeInBytes, maximumSizeInBytes } = window.cornerstone.imageCache.getCacheInfo();
    while (!this.isOver && this.running < AHEAD_AT_ONCE && cacheSizeInBytes < CACHE_FULL * maximumSizeInBytes) {
      const index = this.nextAhead();
      if (index < 0) return;
      this.tried.add(index);
      this.running++;
      window.cornerstone.loadAndCacheImage(this.ids[index]).catch(() => {}).finally(() => {
        this.running--;
        this.loadAhead();
      });
    }
  }

  end() {
    this.isOver = true;
  }
}
