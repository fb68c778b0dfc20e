# A result of laminar in R: Rscript profile.R led.nc [figure.pdf]
# Needs ncdf4 (install.packages("ncdf4"), or Debian's r-cran-ncdf4). Prints the autoencoders' measures
# by layer and draws their density.
library(ncdf4)

arguments <- commandArgs(trailingOnly = TRUE)
file <- nc_open(arguments[1])
cat(ncatt_get(file, 0, "title")$value, "\n")

# Variables are called GROUP/NAME; the dimension of layers is the last in R.
measures <- data.frame(
    layer = ncvar_get(file, "layer"),
    density = ncvar_get(file, "sae/density"),
    mse = ncvar_get(file, "sae/mse")
)
print(measures, digits = 9, row.names = FALSE)
weight <- ncvar_get(file, "attention/previous_token_weight") # [head, layer]
cat("mean weight on the token before:", format(mean(weight), digits = 9), "\n")

if (length(arguments) > 1) {
    pdf(arguments[2], width = 5, height = 4)
    plot(measures$layer, measures$density, type = "b", xlab = "layer", ylab = "share of latents > 0")
    invisible(dev.off())
}
nc_close(file)
