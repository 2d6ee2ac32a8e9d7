import Zoo

/// Images of one size, each with the boxes of the objects in it.
public protocol BoxedImages: AnyObject {
  /// Images in an epoch.
  var count: Int { get }
  /// [channels, height, width].
  var shape: [Int] { get }
  /// Of class 0, 1 …
  var classNames: [String] { get }

  /// Writes an image, numbers of 0 to 1, channels first.
  ///
  /// It depends on nothing but the source's seed, `index` and, where new images are made in every
  /// epoch, `epoch`.
  func image(
    _ index: Int, epoch: Int, into pixels: UnsafeMutablePointer<Float>
  ) throws -> [LabelledBox]
  /// The boxes alone.
  func objects(_ index: Int, epoch: Int) throws -> [LabelledBox]
}
