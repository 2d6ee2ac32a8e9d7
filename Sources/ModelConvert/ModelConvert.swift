import ArgumentParser
@main struct ModelConvert: ParsableCommand { mutating func run() throws { print("x") } }
