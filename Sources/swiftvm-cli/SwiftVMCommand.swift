@main
enum SwiftVMCommand {
  static func main() {}
}
